import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { isNameable } from "../../src/internal/consul/KeyPath.js"
import { isPortable, PathNames } from "../../src/internal/consul/PathNames.js"
import { text } from "../support/Keys.js"

describe("The names that paths carry", () => {
  it.prop(
    "are found out within a few refusals, whatever the rule is, and none is refused twice",
    [fc.array(text, { maxLength: 5 }), fc.constantFrom(/^[a-zA-Z0-9,_./\-?&=]+$/, /^[ -~]+$/, /^[^ü]+$/)],
    ([keys, rule]) => {
      const names = new PathNames()
      const refused = new Set<string>()
      for (const key of [...keys, ...keys]) {
        for (let tries = 0; ; tries++) {
          expect(tries).toBeLessThan(4)
          const part = names.leadingPart(key)
          expect(key.startsWith(part)).toBe(true)
          expect(part === "" || isNameable(part)).toBe(true)
          if (part === "" || rule.test(part)) break
          expect(refused.has(part)).toBe(false)
          refused.add(part)
          names.refuse(part, "invalid", 0)
          expect(names.carries(part)).toBe(false)
        }
      }
    }
  )

  it("one refusal of a character is enough for all names with it", () => {
    const names = new PathNames()
    names.refuse("global/acme - host0001", "invalid", 0)
    expect(names.carries("global/acme - host0002")).toBe(false)
    expect(names.leadingPart("global/acme - host0002")).toBe("global/acme")
    expect(names.carries("global/acme")).toBe(true)
  })

  it("a space that was refused at an end may be taken elsewhere", () => {
    const names = new PathNames()
    names.refuse("global/Data ", "invalid", 0)
    expect(names.carries("global/Data ")).toBe(false)
    expect(names.carries("global/Data sheet")).toBe(true)
  })

  it("a refusal is forgotten after 5 minutes, since the server may have been upgraded", () => {
    const names = new PathNames()
    names.refuse("global/\u{1f972}", "unprintable", 1_000)
    names.forget(300_999)
    expect(names.carries("global/\u{1f972}")).toBe(false)
    names.forget(301_000)
    expect(names.carries("global/\u{1f972}")).toBe(true)
    expect(names.size).toBe(0)
  })

  it("only the first refusal of a kind is news, and few enough are remembered", () => {
    const names = new PathNames()
    expect(names.refuse("ä", "unprintable", 0)).toBe(true)
    expect(names.refuse("ö", "unprintable", 0)).toBe(false)
    expect(names.refuse("ü", "invalid", 0)).toBe(true)
    for (let i = 0; i < 10_100; i++) names.refuse(`ä é ${i}`, "invalid", 0)
    expect(names.size).toBe(10_000)
    expect(isPortable("a/b-c,d=e&f?g_h")).toBe(true)
    expect(isPortable("a.b")).toBe(false)
  })
})
