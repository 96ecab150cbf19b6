import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Address from "../../../src/Address.js"
import * as HttpProxy from "../../../src/cli/node/HttpProxy.js"

const proxyFor = (address: string, variables: Partial<HttpProxy.ProxyVariables>) =>
  HttpProxy.proxyFor(Either.getOrThrow(Address.parse(address)), {
    http: undefined,
    https: undefined,
    none: undefined,
    ...variables
  })

const proxies = { http: "http://proxy:3128", https: "proxy:3129" }

describe("the proxy of the environment", () => {
  it("is the one of the address's scheme, with http:// unless it names a scheme", () => {
    expect(proxyFor("consul.example.com", proxies)).toEqual(Either.right("http://proxy:3128"))
    expect(proxyFor("https://consul.example.com", proxies)).toEqual(Either.right("http://proxy:3129"))
    expect(proxyFor("consul.example.com", { https: "proxy:1" })).toEqual(Either.right(undefined))
  })

  it.each([
    "127.0.0.1:8500",
    "127.9.9.9",
    "localhost",
    "https://localhost:8501",
    "[::1]:8500",
    "unix:///run/a.sock"
  ])("is never used for %s", (address) => {
    expect(proxyFor(address, proxies)).toEqual(Either.right(undefined))
  })

  it.each([
    ["a.example.com", "example.com", false],
    ["a.example.com", ".example.com", false],
    ["a.example.com", "*.example.com", false],
    ["a.example.com", "other.com, EXAMPLE.com ", false],
    ["a.example.com", "example.com:8500", false],
    ["a.example.com", "*", false],
    ["10.1.2.3", "10.1.2.3", false],
    ["10.1.2.3", "10.0.0.0/8", false],
    ["[fd00::1]", "fd00::/16", false],
    ["[fd00::1]", "[fd00::1]:8500", false],
    ["example.com", ".example.com", true],
    ["badexample.com", "example.com", true],
    ["a.example.com", "example.com:8501", true],
    ["11.1.2.3", "10.0.0.0/8", true],
    ["a.example.com", "10.0.0.0/8", true],
    ["a.example.com", "10.0.0.0/99", true],
    ["a.example.com", "", true]
  ] as const)("is for %s with NO_PROXY=%j: %s", (address, none, isUsed) => {
    expect(proxyFor(address, { ...proxies, none })).toEqual(
      Either.right(isUsed ? "http://proxy:3128" : undefined)
    )
  })

  it("is refused without its text if it is none that can be used", () => {
    for (const http of ["socks5://user:hunter2@proxy", "http://user:hunter2@"]) {
      const refused = proxyFor("consul.example.com", { http })
      expect(Either.isLeft(refused)).toBe(true)
      expect(JSON.stringify(refused)).not.toContain("hunter2")
    }
  })
})
