import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { type Help, render } from "../../src/cli/help.js"
import { demoHelp, devHelp, replicateHelp } from "../../src/cli/helpTexts.js"

const squeezed = (text: string) => text.replace(/\s+/g, " ")

const helps: ReadonlyArray<readonly [string, Help]> = [
  ["consul-replicate", replicateHelp],
  ["demo", demoHelp],
  ["dev", devHelp]
]

const sentence = fc
  .array(fc.string({ unit: fc.constantFrom("a", "b", "-"), minLength: 1, maxLength: 20 }), { minLength: 1 })
  .map((words) => words.join(" "))

describe("help", () => {
  for (const [name, help] of helps) {
    it(`of ${name} fits 80 columns, with nothing left behind a line`, () => {
      for (const line of render(help).split("\n")) {
        expect(line.length).toBeLessThanOrEqual(80)
        expect(line).toBe(line.trimEnd())
      }
    })

    it(`of ${name} shows every option with its value, its description and its default`, () => {
      const text = render(help)
      for (const [option, { default: fallback, description, value }] of Object.entries(help.options)) {
        expect(text).toMatch(new RegExp(`^ {2}-${option}${value === undefined ? "" : ` ${value}`} `, "m"))
        const shown = fallback === undefined ? description : `${description} (default ${fallback})`
        expect(squeezed(text)).toContain(shown)
      }
    })
  }

  it("shows a default for every option but -src, which has none", () => {
    const without = Object.entries(replicateHelp.options).filter(
      ([, option]) => option.value !== undefined && option.default === undefined
    )
    expect(without.map(([name]) => name)).toEqual(["src"])
  })

  it.prop(
    "of any words wraps at 80 columns and loses none",
    [sentence, sentence],
    ([summary, description]) => {
      const text = render({
        usage: "x",
        summary,
        commands: { c: description },
        options: { o: { description, value: "V", default: "d" } },
        footer: [summary]
      })
      expect(squeezed(text)).toBe(
        `Usage: x ${summary} Options: -o V ${description} (default d) Commands: c ${description} ${summary}`
      )
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80)
    }
  )
})
