import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { type Help, render, widthFor } from "../../../src/cli/settings/Help.js"
import { demoHelp, devHelp, replicateHelp } from "../../../src/cli/settings/HelpPages.js"

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
      for (const { description, name, shownDefault, value } of help.options) {
        expect(text).toMatch(new RegExp(`^ {2}-${name}${value === undefined ? "" : ` ${value}`}(?: |$)`, "m"))
        const shown = shownDefault === undefined ? description : `${description} (default ${shownDefault})`
        expect(squeezed(text)).toContain(shown)
      }
    })
  }

  it("shows a default for every option but -src and -exclude, which have none", () => {
    const without = replicateHelp.options.filter(
      ({ shownDefault, value }) => value !== undefined && shownDefault === undefined
    )
    expect(without.map(({ name }) => name)).toEqual(["src", "exclude"])
  })

  it("of the program has examples, the environment, the signals and the exit codes, and its options in groups", () => {
    const text = render(replicateHelp)
    for (const title of [
      "What is replicated:",
      "The instances:",
      "Examples:",
      "Environment:",
      "Signals:",
      "Exit codes:"
    ]) {
      expect(text).toContain(`\n\n${title}\n\n  `)
    }
    for (const name of ["CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_ADDR", "NO_COLOR", "SIGHUP"])
      expect(text).toContain(`  ${name} `)
  })

  it.each([60, 100, 120])("of %d columns has no longer line, but for examples", (width) => {
    const examples = replicateHelp.sections.flatMap(({ verbatim = [] }) =>
      verbatim.map((line) => `  ${line}`)
    )
    const lines = render(replicateHelp, width)
      .split("\n")
      .filter((line) => !examples.includes(line))
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width)
    expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(width - 15)
  })

  it.each([
    [0, 80],
    [10, 60],
    [95, 95],
    [400, 120]
  ])("on a terminal of %d columns is %d wide", (columns, width) => {
    expect(widthFor(columns)).toBe(width)
  })

  it.prop(
    "of any words wraps at 80 columns and loses none",
    [sentence, sentence],
    ([summary, description]) => {
      const text = render({
        usage: "x",
        summary,
        options: [{ name: "o", group: "G:", description, value: "V", shownDefault: "d" }],
        sections: [{ title: "S:", entries: [["c", description]] }],
        footer: [summary]
      })
      expect(squeezed(text)).toBe(
        `Usage: x ${summary} G: -o V ${description} (default d) S: c ${description} ${summary}`
      )
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80)
    }
  )
})
