import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PrefixOption from "../../../src/cli/settings/PrefixOption.js"
import * as Logs from "../../../src/testing/Logs.js"

const saidOf = (warning: Effect.Effect<void>) => {
  const logs = Logs.make()
  return Effect.as(logs.capture(warning), logs.lines)
}

const said = (from: string, to: string) => saidOf(PrefixOption.warnOfSlashes(from, to))

describe("a slash at the end of one prefix alone", () => {
  it.effect("is warned of with what becomes of a name", () =>
    Effect.gen(function* () {
      expect(yield* said("global/", "backup")).toEqual([
        'WARN -dst-prefix: "backup" does not end with a slash, unlike -prefix: "global/x" is copied to "backupx"'
      ])
      expect(yield* said("", "backup")).toEqual([
        'WARN -dst-prefix: "backup" does not end with a slash, and -prefix is empty: "x" is copied to "backupx"'
      ])
      expect(yield* said("global", "backup/")).toEqual([
        'WARN -dst-prefix: "backup/" ends with a slash, unlike -prefix: "global/x" is copied to "backup//x"'
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
        expect(yield* said(from, to)).toEqual([])
      }
    })
  )
})

describe("an exclude", () => {
  it.effect("is warned of if it excludes no key of the prefix, or all", () =>
    Effect.gen(function* () {
      const warned = (exclude: string) => saidOf(PrefixOption.warnOfExclude("global/")(exclude))
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
})
