import { describe, expect, it } from "@effect/vitest"
import { encodePath, isNameable, nameablePart } from "../../src/internal/consul/KeyPath.js"
import { text } from "../support/Keys.js"

/** What Go's `path.Clean` leaves as it is, and what WHATWG URLs do not resolve: no empty segment but a last one. */
const survivesCleaning = (key: string) =>
  key
    .split("/")
    .every(
      (segment, i, all) => segment !== "." && segment !== ".." && (segment !== "" || i === all.length - 1)
    )

const isDecodedOnce = (key: string) => !key.includes("%")

describe("keyPath", () => {
  it.prop("a path carries the keys that neither cleaning nor another decoding changes", [text], ([key]) => {
    expect(isNameable(key)).toBe(key !== "" && survivesCleaning(key) && isDecodedOnce(key))
  })

  it.prop("the URL of a nameable key is read back as that key", [text], ([key]) => {
    const name = isNameable(key) ? key : "global/a"
    const path = `/v1/kv/${encodePath(name)}`
    const url = new URL(`http://127.0.0.1:8500${path}?recurse`)
    expect(url.pathname).toBe(path)
    expect(url.search).toBe("?recurse")
    expect(url.hash).toBe("")
    expect(decodeURIComponent(url.pathname)).toBe(`/v1/kv/${name}`)
    // Also by Consul 1.12.0, which decodes twice and fails with 500 where it cannot.
    expect(decodeURIComponent(decodeURIComponent(url.pathname))).toBe(`/v1/kv/${name}`)
  })

  it.prop("the nameable part begins a prefix, can be named, and nothing longer can", [text], ([prefix]) => {
    const part = nameablePart(prefix)
    expect(prefix.startsWith(part)).toBe(true)
    expect(part === "" || isNameable(part)).toBe(true)
    for (let end = part.length + 1; end <= prefix.length; end++) {
      const longer = prefix.slice(0, end)
      // A later part may be nameable again, but only within a name of dots, `a/.` and `a/..b`.
      if (isNameable(longer)) expect(longer.slice(part.length)).toMatch(/^\./)
    }
  })

  it("half of a surrogate pair is in no path", () => {
    expect(isNameable("a\ud800")).toBe(false)
    expect(nameablePart("a/\udc00b")).toBe("a/")
  })

  it.each([
    ["global/a//b", "global/a/"],
    ["/leading", ""],
    ["a/./b", "a/"],
    ["a/../b", "a/"],
    ["a/..b", "a/..b"],
    ["a/...", "a/..."],
    ["..", ""],
    ["a/.%2F", "a/"],
    ["app%2fcfg/", "app"],
    ["global/100%", "global/100"],
    ["100%/", "100"],
    ["a\nb", "a\nb"],
    ["global/", "global/"],
    ["", ""]
  ])("of %j the part %j can be named", (prefix, part) => {
    expect(nameablePart(prefix)).toBe(part)
  })
})
