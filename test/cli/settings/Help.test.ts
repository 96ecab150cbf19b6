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

    it(`of ${name} shows every option with its value, its description, its default and its variables`, () => {
      const text = render(help)
      for (const option of help.options) {
        const { description, hasFlag = true, name, replacedBy, shownDefault, value, variables = [] } = option
        const term = `\n  -${name}${value === undefined ? "" : ` ${value}`}`
        if (!hasFlag || replacedBy !== undefined) {
          expect(text).not.toContain(`${term} `)
          continue
        }
        expect(`${text}\n`.replaceAll("\n", " \n")).toContain(`${term} `)
        const shown = [
          description,
          ...(shownDefault === undefined ? [] : [`(default ${shownDefault})`]),
          ...(variables.length === 0 ? [] : [`[${variables.join(", ")}]`])
        ]
        expect(squeezed(text)).toContain(shown.join(" "))
      }
    })
  }

  it("shows a default for every option of the first release but -src, which has none", () => {
    for (const name of ["addr", "prefix", "dst-prefix", "lock", "status", "service"]) {
      expect(replicateHelp.options.find((option) => option.name === name)?.shownDefault).toMatch(/./)
    }
    expect(replicateHelp.options.find(({ name }) => name === "src")?.shownDefault).toBe(undefined)
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
    for (const name of ["NODE_EXTRA_CA_CERTS", "NO_COLOR", "SIGHUP"]) expect(text).toContain(`  ${name} `)
    for (const name of ["CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_ADDR", "CR_LOG"]) expect(text).toContain(name)
  })

  it.each([60, 100, 120])(
    "of %d columns has no longer line, except for examples and for one long word",
    (width) => {
      const examples = replicateHelp.sections.flatMap(({ verbatim = [] }) =>
        verbatim.map((line) => `  ${line}`)
      )
      const lines = render(replicateHelp, width)
        .split("\n")
        .filter((line) => !examples.includes(line) && line.trim().includes(" "))
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width)
      expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(width - 15)
    }
  )

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
