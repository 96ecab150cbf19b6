import * as Headers from "@effect/platform/Headers"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as fc from "effect/FastCheck"
import * as Refusals from "../../src/internal/consul/Refusals.js"
import { text } from "../support/Keys.js"

const refusal = (status: number, text: string, headers: Headers.Input = {}): Refusals.Refusal => ({
  status,
  text,
  headers: Headers.fromInput(headers)
})

/** What a key can be called so that a careless reader takes its name for Consul's word. */
const misleading = fc.oneof(
  text,
  fc.constantFrom(
    "global/operations/runbook",
    "x Permission denied",
    "Permission denied",
    "No cluster leader",
    "No path to datacenter",
    "rate limit exceeded",
    "invalid key name",
    "Transaction contains too many operations (65 > 64)",
    "x doesn't exist",
    "rpc error making call: Permission denied"
  )
)

const forwarded = fc
  .nat(3)
  .chain((n) => fc.constantFrom("", "\n").map((end) => ["rpc error making call: ".repeat(n), end] as const))

describe("What Consul's refusals mean", () => {
  it.prop("is never decided by the name of a key", [misleading, forwarded], ([key, [before, after]]) => {
    const quoted = JSON.stringify(key)
    for (const text of [
      `Value for key ${quoted} is too large (30000 > 20000 bytes)`,
      `failed to check session, key ${quoted} doesn't exist`,
      `failed to set key ${quoted}, index is stale`,
      `failed to unlock key ${quoted}, lock isn't held, or is held by another session`,
      `failed to check index, key ${quoted} doesn't exist`
    ]) {
      const answer = refusal(500, before + text + after)
      expect(Refusals.isNoLeader(answer)).toBe(false)
      expect(Refusals.isNoPath(answer)).toBe(false)
      expect(Refusals.isDenial(answer.text)).toBe(false)
      expect(Refusals.isAbsence(text)).toBe(false)
      expect(Refusals.isRateLimit({ ...answer, status: 503 })).toBe(false)
      expect(Refusals.tooMuch(answer)).toBe(text.startsWith("Value for key") ? "value" : "bytes")
      expect(Refusals.nameRefusal(answer, "/v1/kv/x")).toBeUndefined()
    }
    expect(Refusals.isAbsence(`key ${quoted} doesn't exist`)).toBe(true)
  })

  it.prop("is the same whoever forwarded the request", [forwarded], ([[before, after]]) => {
    const said = (status: number, text: string) => refusal(status, before + text + after)
    expect(Refusals.isNoLeader(said(500, "No cluster leader"))).toBe(true)
    expect(Refusals.isNoPath(said(500, "No path to datacenter"))).toBe(true)
    expect(Refusals.isDenial(said(500, "Permission denied").text)).toBe(true)
    expect(
      Refusals.isDenial(said(500, "Permission denied: token with AccessorID '1' lacks permission").text)
    ).toBe(true)
    expect(Refusals.isRateLimit(said(503, "rate limit exceeded, try again later"))).toBe(true)
    expect(Refusals.isRateLimit(said(500, "rate limit exceeded, try again later"))).toBe(false)
    expect(Refusals.tooMuch(said(413, "Transaction contains too many operations (65 > 64)"))).toBe(
      "operations"
    )
    expect(Refusals.nameRefusal(said(500, "invalid key name, keys should match ^[a-z]+$"), "/v1/kv/x")).toBe(
      "invalid"
    )
  })

  it("of a size is known by the setting that Consul names", () => {
    const see = "See https://www.consul.io/docs/agent/options.html"
    const body = (bytes: number, setting: string) =>
      refusal(413, `Request body(${bytes} bytes) too large, max size: 20000 bytes. ${see}#${setting}.`)
    expect(Refusals.tooMuch(body(30_000, "kv_max_value_size"))).toBe("value")
    expect(Refusals.tooMuch(body(30_000, "txn_max_req_len"))).toBe("bytes")
    expect(Refusals.tooMuch(refusal(413, "<html>Request Entity Too Large</html>"))).toBe("bytes")
  })

  it("of a name is an empty 400, the word for it, or a redirect to another key", () => {
    const at = (status: number, text: string, location?: string) =>
      Refusals.nameRefusal(
        refusal(status, text, location === undefined ? {} : { Location: location }),
        "/v1/kv/a//b"
      )
    expect(at(400, "")).toBe("unprintable")
    expect(at(400, "Bad request")).toBeUndefined()
    expect(at(400, "invalid key name")).toBe("invalid")
    expect(at(403, "invalid key name")).toBeUndefined()
    for (const status of [301, 307, 308]) expect(at(status, "", "/v1/kv/a/b?recurse")).toBe("redirected")
    expect(at(301, "", "https://consul.example.com/v1/kv/a//b")).toBeUndefined()
    expect(at(301, "", "/login")).toBeUndefined()
    expect(at(301, "")).toBeUndefined()
  })

  it("says how long to wait, in seconds or by a date", () => {
    const pause = (value: string) => Refusals.retryAfter(refusal(429, "", { "Retry-After": value }), 1_000)
    expect(pause("7")).toEqual(Duration.seconds(7))
    expect(pause("Thu, 01 Jan 1970 00:00:31 GMT")).toEqual(Duration.seconds(30))
    expect(pause("Thu, 01 Jan 1970 00:00:00 GMT")).toEqual(Duration.zero)
    expect(pause("soon")).toBeUndefined()
    expect(pause("")).toBeUndefined()
  })
})
