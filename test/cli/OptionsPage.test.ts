import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { page } from "../../scripts/optionsPage.js"
import * as Settings from "../../src/cli/settings/Settings.js"

const twice = (names: ReadonlyArray<string>) => names.filter((name, i) => names.indexOf(name) !== i)

/** Without what the formatter does to tables. */
const squeezed = (text: string) => text.replace(/ +/g, " ").replace(/-{3,}/g, "---").trim()

describe("docs/options.md", () => {
  it("is what the descriptions of the options say; scripts/writeOptionsPage.ts writes it", () => {
    const written = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8")
    expect(squeezed(written)).toBe(squeezed(page))
  })
})

describe("the settings", () => {
  it("have names, variables and keys of files that no other has", () => {
    expect(
      twice(Settings.all.flatMap(({ deprecated, name, spellings }) => [name, ...spellings, ...deprecated]))
    ).toEqual([])
    expect(twice(Settings.all.flatMap(({ variables }) => variables))).toEqual([])
    expect(twice(Settings.all.flatMap(({ keys }) => keys))).toEqual([])
  })

  it("have a variable of this program and, except for -config, a key of a file, unless another took their place", () => {
    const without = (lacks: (setting: (typeof Settings.all)[number]) => boolean) =>
      Settings.all.filter(lacks).map(({ name }) => name)
    expect(
      without(({ variables }) => !variables.some((name) => name.startsWith("CONSUL_REPLICATE_")))
    ).toEqual(["retry"])
    expect(without(({ keys }) => keys.length === 0)).toEqual(["consul-auth", "src-auth", "config"])
  })
})
