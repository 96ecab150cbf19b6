import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Settings from "../../src/cli/settings/Settings.js"
import { folder, load, parse } from "./settings/Loading.js"

const page = readFileSync(new URL("../../docs/migrating.md", import.meta.url), "utf8")

/** The rows of a table of the page, by the title of its first column: the code in each of the two columns. */
const rows = (title: string): ReadonlyArray<readonly [string, string]> => {
  const lines = page.split("\n")
  const first = lines.findIndex((line) => line.startsWith(`| ${title} `))
  const behind = lines.slice(first + 2)
  const code = (cell: string) => /`([^`]*)`/.exec(cell)?.[1] ?? cell.trim()
  return behind
    .slice(
      0,
      behind.findIndex((line) => !line.startsWith("|"))
    )
    .map((line) => {
      const [, before = "", after = ""] = line.split("|")
      return [code(before), code(after)]
    })
}

const args = (code: string) => code.split(" ").filter((arg) => arg !== "")

const withPrefix = (args: ReadonlyArray<string>): ReadonlyArray<string> =>
  args.some((arg) => /^-(prefix|src|config)/.test(arg)) ? args : [...args, "-prefix=global@nyc1"]

type Loaded = Effect.Effect.Success<ReturnType<typeof load>>

/** What settings mean, whichever way they were given. */
const meaning = (settings: Loaded): unknown =>
  JSON.parse(
    JSON.stringify(settings, (key, value) => {
      if (["origins", "fixed", "origin", "given", "warnings", "option", "name", "isVariable"].includes(key))
        return undefined
      return Redacted.isRedacted(value) ? Redacted.value(value) : value
    })
  )

const noMeaning = "no meaning"

/** The command line on the right, with what means nothing as the lack of all options. */
const right = (code: string) => load(withPrefix(code === noMeaning ? [] : args(code)))

describe("docs/migrating.md", () => {
  it("has a row for each option of 0.4.0, and for each that it deprecates", () => {
    expect(rows("0.1.0")).toHaveLength(7)
    expect(rows("deprecated")).toHaveLength(11)
    const names = new Set(
      rows("0.4.0").flatMap(([before]) => args(before).map((arg) => arg.replace(/^-|=.*/g, "")))
    )
    expect(names.size).toBe(34)
    const here = new Set(Settings.all.flatMap(({ name, spellings }) => [name, ...spellings]))
    for (const name of names) expect(["v", "version", ...here]).toContain(name)
  })

  for (const [before, after] of [...rows("0.1.0"), ...rows("0.4.0")]) {
    it.scoped(`${before} works as ${after} does`, () =>
      Effect.gen(function* () {
        if (after === "-version") {
          expect(yield* parse(args(before))).toEqual({ builtIn: "ShowVersion" })
          return
        }
        const root = yield* folder({ "replicate.hcl": 'prefix = "a@nyc1"' })
        const here = (code: string) => code.replace("replicate.hcl", `${root}/replicate.hcl`)
        const settings = yield* load(withPrefix(args(here(before))))
        expect(meaning(settings)).toEqual(meaning(yield* right(here(after))))
        const useless = settings.warnings.filter((text) => text.includes("has no use here"))
        expect(useless).toHaveLength(after === noMeaning ? 1 : 0)
      })
    )
  }

  for (const [before, after] of rows("deprecated")) {
    it.effect(`${before} works as ${after} does, with a warning`, () =>
      Effect.gen(function* () {
        const settings = yield* load(withPrefix(args(before)))
        expect(meaning(settings)).toEqual(meaning(yield* right(after)))
        const name = args(before).at(-1)?.replace(/=.*/, "")
        expect(settings.warnings).toContainEqual(expect.stringMatching(new RegExp(`^${name} is now -`)))
      })
    )
  }

  for (const [before, after] of [...rows("in a file"), ...rows("in an older file")]) {
    it.scoped(`a file with ${before} works as ${after} does`, () =>
      Effect.gen(function* () {
        const root = yield* folder({ "replicate.hcl": before })
        const config = `-config=${root}/replicate.hcl`
        const hasPrefix = /^prefix/.test(before)
        const settings = yield* load(hasPrefix ? [config] : [config, "-prefix=global@nyc1"])
        expect(meaning(settings)).toEqual(meaning(yield* right(after)))
        const isOlder = rows("in an older file").some(([older]) => older === before) && !hasPrefix
        if (isOlder) expect(settings.warnings.length).toBeGreaterThan(0)
      })
    )
  }

  for (const [before, after] of rows("variable")) {
    it.effect(`${before} works as ${after} does`, () =>
      Effect.gen(function* () {
        const [, name = "", text = ""] = /^(\w+)=(.*)$/.exec(before) ?? []
        const settings = yield* load(["-prefix=global@nyc1"], { [name]: text })
        expect(meaning(settings)).toEqual(meaning(yield* right(after)))
      })
    )
  }
})
