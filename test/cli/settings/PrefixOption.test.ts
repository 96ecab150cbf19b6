import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PrefixOption from "../../../src/cli/settings/PrefixOption.js"
import * as Logs from "../../../src/testing/Logs.js"

const said = (from: string, to: string) => {
  const logs = Logs.make()
  return Effect.as(logs.capture(PrefixOption.warnOfSlashes(from, to)), logs.lines)
}

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
