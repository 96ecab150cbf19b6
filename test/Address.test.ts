import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import { baseUrl, hasScheme, isSecure, parse, socket } from "../src/Address.js"
import { failureOf } from "./support/Failure.js"

describe("Address", () => {
  it.effect.each([
    ["127.0.0.1:8500", "http://127.0.0.1:8500"],
    ["127.0.0.1", "http://127.0.0.1:8500"],
    ["localhost", "http://localhost:8500"],
    ["consul.service.consul:80", "http://consul.service.consul"],
    ["consul.service.consul:80/", "http://consul.service.consul"],
    ["consul.service.consul:80\n", "http://consul.service.consul"],
    ["consul.service.consul:0080", "http://consul.service.consul"],
    ["[::1]:8501", "http://[::1]:8501"],
    ["[::1]", "http://[::1]:8500"],
    ["http://127.0.0.1:8500", "http://127.0.0.1:8500"],
    ["http://127.0.0.1:8500/", "http://127.0.0.1:8500"],
    ["https://consul.example.com", "https://consul.example.com"],
    ["HTTPS://consul.example.com:8501", "https://consul.example.com:8501"],
    ["http://consul.example.com", "http://consul.example.com"],
    ["https://consul.example.com/dc1/", "https://consul.example.com/dc1"],
    ["consul.example.com/dc1", "http://consul.example.com:8500/dc1"],
    ["consul.example.com:80/dc1", "http://consul.example.com/dc1"],
    ["unix:///run/consul.sock", "unix:///run/consul.sock"],
    ["UNIX:///run/consul.sock\n", "unix:///run/consul.sock"]
  ] as const)("%s is %s", ([address, url]) =>
    Effect.gen(function* () {
      expect(yield* parse(address)).toBe(url)
    })
  )

  it.effect.each([
    "",
    " ",
    "not an address",
    "127.0.0.1:99999",
    "127.0.0.1:port",
    "::1:8500:x",
    ":8500",
    "http://",
    "ftp://127.0.0.1",
    "unix://",
    "unix://run/consul.sock",
    "unix:///run/",
    "http://127.0.0.1:8500/?dc=nyc1",
    "127.0.0.1:8500#x",
    "127.0.0.1?x"
  ] as const)("%j is refused in one line", (address) =>
    Effect.gen(function* () {
      const error = yield* failureOf(parse(address))
      expect(error._tag).toBe("InvalidAddress")
      expect(error.message).toMatch(/^the address of the Consul agent cannot be used: [^\n]+$/)
    })
  )

  it.effect.each([
    "127.0.0.1:8500/?token=hunter2",
    "127.0.0.1:8500/v1/kv/?token=hunter2",
    "127.0.0.1:port?token=hunter2",
    "http://127.0.0.1:8500#hunter2",
    "http://user:hunter2@127.0.0.1:8500",
    "user:hunter2@127.0.0.1:8500",
    "hunter2@127.0.0.1",
    "http://user:hunter2@",
    "user:hunter2@127.0.0.1:no"
  ] as const)("a password or a token is refused without being repeated", (address) =>
    Effect.gen(function* () {
      const error = yield* failureOf(parse(address))
      expect(JSON.stringify(error)).not.toContain("hunter2")
    })
  )

  it.effect.prop(
    "any text is refused, or a base URL without a query, a user or a slash at its end",
    [
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.domain(),
        fc.ipV6(),
        fc.ipV4().map((ip) => `${ip}:8500`)
      )
    ],
    ([address]) =>
      Effect.gen(function* () {
        const parsed = yield* Effect.either(parse(address))
        if (parsed._tag === "Right") {
          const url = new URL(parsed.right)
          expect(parsed.right).toMatch(/^https?:\/\/[^@?#/]+(?:\/[^?#]*[^/?#])?$/)
          expect([url.search, url.hash, url.username]).toEqual(["", "", ""])
          // Parsed again, it stays what it is.
          expect(yield* parse(parsed.right)).toBe(parsed.right)
        }
      })
  )

  it.effect("without a scheme is one with TLS where that was asked for, at the port that it names", () =>
    Effect.gen(function* () {
      const secure = (text: string) => parse(text, { scheme: "https" })
      expect(yield* secure("consul.example.com:8501")).toBe("https://consul.example.com:8501")
      expect(yield* secure("consul.example.com:443")).toBe("https://consul.example.com")
      expect(yield* secure("consul.example.com")).toBe("https://consul.example.com:8500")
      // A scheme that is written counts.
      expect(yield* secure("http://consul.example.com")).toBe("http://consul.example.com")
      expect(["a:1", "http://a", "unix:///a"].map(hasScheme)).toEqual([false, true, true])
    })
  )

  it.effect("of a socket has a base URL from which the path of the socket can be read", () =>
    Effect.gen(function* () {
      const address = yield* parse("unix:///run/consul agent%2F.sock")
      expect(socket(address)).toBe("/run/consul agent%2F.sock")
      expect(isSecure(address)).toBe(false)
      const url = new URL(`${baseUrl(address)}/v1/kv/a%2Fb?keys`)
      expect(decodeURIComponent(url.host)).toBe(socket(address))
      expect(url.pathname).toBe("/v1/kv/a%2Fb")
      expect(baseUrl(yield* parse("https://a/b"))).toBe("https://a/b")
    })
  )
})
