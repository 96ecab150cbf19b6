import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as PrefixOption from "../../../src/cli/settings/PrefixOption.js"
import * as Logs from "../../../src/testing/Logs.js"

const saidOf = (warning: Effect.Effect<void>) => {
  const logs = Logs.make()
  return Effect.as(logs.capture(warning), logs.lines)
}

const warningsOf = (from: string, to: string) => saidOf(PrefixOption.warnOfSlashes("-dst-prefix", from, to))

const name = fc.string({ minLength: 1 }).filter((text) => !/[@:]/.test(text) && !text.startsWith("/"))

const datacenter = fc.stringMatching(/^[A-Za-z0-9_-]{1,9}$/)

const destination = fc.option(fc.string({ minLength: 1 }), { nil: undefined })

describe("a prefix as one text", () => {
  it.prop(
    "is its source, its datacenter, and all that stands behind the colon",
    [name, datacenter, destination],
    ([source, datacenter, destination]) => {
      const text = `${source}@${datacenter}${destination === undefined ? "" : `:${destination}`}`
      const parts = Either.right({ source, datacenter, destination })
      expect(PrefixOption.parse(text)).toEqual(parts)
      expect(PrefixOption.parse(`/${text}`)).toEqual(parts)
    }
  )

  it.prop(
    "without a colon and a datacenter counts as it is written, as in 0.1.0",
    [fc.string()],
    ([text]) => {
      fc.pre(!text.includes(":") && !/@[A-Za-z0-9_-]+$/.test(text))
      expect(PrefixOption.parse(text)).toEqual(
        Either.right({ source: text, datacenter: undefined, destination: undefined })
      )
    }
  )

  it.prop("of any kind is read, or refused in one line", [fc.string({ unit: "binary" })], ([text]) => {
    const parsed = PrefixOption.parse(text)
    if (Either.isLeft(parsed)) expect(parsed.left).not.toMatch(/[\r\n]/)
  })

  it("with a colon alone is warned of: in the first release the colon was a part of it", () => {
    const warned = (text: string) =>
      Either.map(PrefixOption.parse(text), (parts) => PrefixOption.warnOfColon("-prefix", text, parts))
    expect(warned("a:b")).toEqual(
      Either.right([
        '-prefix: "a:b" copies "a" to "b"; a prefix that itself holds "@" or ":" is given in a file, as in ' +
          'prefix { source = "a:b" datacenter = "…" }'
      ])
    )
    expect(warned("a@nyc1:b")).toEqual(Either.right([]))
  })

  it("with two colons copies to a destination with a colon, and is warned of", () => {
    const warned = Either.map(PrefixOption.parse("a@b:c:d"), (parts) =>
      PrefixOption.warnOfColon("-prefix", "a@b:c:d", parts)
    )
    expect(Either.getOrElse(warned, () => []).join()).toMatch(/^-prefix: "a@b:c:d" copies "a" to "c:d"; /)
  })
})

describe("a slash at the end of one prefix alone", () => {
  it.effect("is warned of with what becomes of a name", () =>
    Effect.gen(function* () {
      expect(yield* warningsOf("global/", "backup")).toEqual([
        'WARN -dst-prefix: the destination "backup" does not end with a slash, unlike the prefix: "global/x" is copied to "backupx"'
      ])
      expect(yield* warningsOf("", "backup")).toEqual([
        'WARN -dst-prefix: the destination "backup" does not end with a slash, and the prefix is empty: "x" is copied to "backupx"'
      ])
      expect(yield* warningsOf("global", "backup/")).toEqual([
        'WARN -dst-prefix: the destination "backup/" ends with a slash, unlike the prefix: "global/x" is copied to "backup//x"'
      ])
    })
  )

  it.effect("is not warned of where both prefixes end alike, one is empty, or a mark ends the name", () =>
    Effect.gen(function* () {
      for (const [from, to] of [
        ["global/", "global/"],
        ["global/", "copy/"],
        ["global", "copy"],
        ["global/", ""],
        ["", "copy/"],
        ["global/", "copy-"],
        ["app-", "copy/"]
      ] as const) {
        expect(yield* warningsOf(from, to)).toEqual([])
      }
    })
  )
})

describe("an exclude", () => {
  it.effect("is warned of if it excludes no key of the prefix, or all", () =>
    Effect.gen(function* () {
      const warned = (exclude: string) =>
        saidOf(PrefixOption.warnOfExcludes([{ prefix: "global/", exclude: [exclude] }]))
      expect(yield* warned("private/")).toEqual([
        'WARN -exclude: "private/" excludes no key of the prefix "global/"'
      ])
      for (const exclude of ["global/", "glob"]) {
        expect(yield* warned(exclude)).toEqual([
          `WARN -exclude: "${exclude}" excludes all keys of the prefix "global/"`
        ])
      }
      expect(yield* warned("global/private/")).toEqual([])
    })
  )

  it.effect("that several prefixes share is warned of once, and not if it concerns one of them", () =>
    Effect.gen(function* () {
      const warned = (exclude: string) =>
        saidOf(
          PrefixOption.warnOfExcludes([
            { prefix: "global/", exclude: [exclude] },
            { prefix: "other/", exclude: [exclude] }
          ])
        )
      expect(yield* warned("global/private/")).toEqual([])
      expect(yield* warned("private/")).toEqual([
        'WARN -exclude: "private/" excludes no key of the prefixes "global/", "other/"'
      ])
      expect(yield* warned("glob")).toEqual([
        'WARN -exclude: "glob" excludes all keys of the prefix "global/"'
      ])
    })
  )
})
