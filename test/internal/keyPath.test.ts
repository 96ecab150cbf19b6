import { describe, expect, it } from "@effect/vitest"
import { encodePath, isNameable, nameablePart } from "../../src/internal/consul/keyPath.js"
import { text } from "../support/Keys.js"

/** What Go's `path.Clean` leaves as it is, and what WHATWG URLs do not resolve: no empty segment but a last one. */
const survivesCleaning = (key: string) =>
  key
    .split("/")
    .every(
      (segment, i, all) => segment !== "." && segment !== ".." && (segment !== "" || i === all.length - 1)
    )

const isPrintable = (key: string) =>
  Array.from(key).every((char) => char === " " || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char))

describe("keyPath", () => {
  it.prop("a path can name the keys that cleaning leaves alone and that are printable", [text], ([key]) => {
    expect(isNameable(key)).toBe(key !== "" && survivesCleaning(key) && isPrintable(key))
  })

  it.prop("the URL of a nameable key is read back as that key", [text], ([key]) => {
    const path = `/v1/kv/${encodePath(isNameable(key) ? key : "global/a")}`
    const url = new URL(`http://127.0.0.1:8500${path}?recurse`)
    expect(url.pathname).toBe(path)
    expect(url.search).toBe("?recurse")
    expect(url.hash).toBe("")
    expect(decodeURIComponent(url.pathname)).toBe(`/v1/kv/${isNameable(key) ? key : "global/a"}`)
  })

  it.prop("the nameable part begins a prefix, can be named, and nothing longer can", [text], ([prefix]) => {
    const part = nameablePart(prefix)
    expect(prefix.startsWith(part)).toBe(true)
    expect(part === "" || isNameable(part)).toBe(true)
    for (let end = part.length + 1; end <= prefix.length; end++) {
      const longer = prefix.slice(0, end)
      // A later part may be nameable again, but only where it ends within a name of dots: `a/.` and `a/..b`.
      if (isNameable(longer)) expect(longer.slice(part.length)).toMatch(/^\./)
    }
  })

  it.each([
    ["global/a//b", "global/a/"],
    ["/leading", ""],
    ["a/./b", "a/"],
    ["a/../b", "a/"],
    ["a/..b", "a/..b"],
    ["a/...", "a/..."],
    ["..", ""],
    ["a\nb", "a"],
    ["a/.\nb", "a/"],
    ["..\nb", ""],
    ["a/\u00a0", "a/"],
    ["global/", "global/"],
    ["", ""]
  ])("of %j the part %j can be named", (prefix, part) => {
    expect(nameablePart(prefix)).toBe(part)
  })
})
