import * as Fs from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { less, more, neither } from "../../bench/Figure.js"
import * as Plot from "../../bench/Plot.js"
import * as Report from "../../bench/Report.js"
import { add, type Results, ResultsJson, type Row } from "../../bench/Results.js"
import { parseUsage } from "../../bench/Subject.js"

const latency = (rows: ReadonlyArray<Row>, program: number, keys: number, median: number | null) =>
  add(rows, program, { part: "latency", keys, shape: "flat" }, [
    less("median", median, "ms"),
    less("99th percentile", median === null ? null : median * 2, "ms")
  ])

const rows = [
  () => latency([], 0, 1000, 5),
  (rows: ReadonlyArray<Row>) => latency(rows, 1, 1000, 17),
  (rows: ReadonlyArray<Row>) => latency(rows, 1, 100_000, 861),
  (rows: ReadonlyArray<Row>) => latency(rows, 0, 100_000, 6),
  (rows: ReadonlyArray<Row>) =>
    add(rows, 0, { part: "sustained", keys: 1000, shape: "flat" }, [
      more("followed", 2000, "writes/s"),
      neither("taken", 4000, "writes/s")
    ]),
  (rows: ReadonlyArray<Row>) =>
    add(rows, 1, { part: "sustained", keys: 1000, shape: "flat" }, [
      more("followed", 100, "writes/s"),
      neither("taken", 200, "writes/s")
    ])
].reduce<ReadonlyArray<Row>>((rows, step) => step(rows), [])

const results: Results = {
  date: "2026-01-02",
  machine: "a machine",
  consul: "1.8.7",
  load: 0,
  quick: false,
  seconds: 60,
  programs: ["ours", "<theirs>"],
  rows,
  failures: []
}

describe("the report", () => {
  it("stands both programs beside each other, and says by how much the first is ahead", () => {
    const lines = Report.table(results)
      .split("\n")
      .map((line) => line.trim().split(/ {2,}/))
    expect(lines).toContainEqual(["1,000", "median", "5.00 ms", "17.0 ms", "×3.4"])
    expect(lines).toContainEqual(["100,000", "median", "6.00 ms", "861 ms", "×144"])
    expect(lines).toContainEqual(["1,000", "followed", "2,000 writes/s", "100 writes/s", "×20"])
    expect(lines).toContainEqual(["1,000", "taken", "4,000 writes/s", "200 writes/s"])
  })

  it("keeps a place for what one of them has not", () => {
    const only = add([], 1, { part: "idle", keys: 1000, shape: "flat" }, [less("CPU", 1, "%")])
    expect(only[0]?.values).toEqual([null, 1])
    expect(Report.table({ ...results, rows: only })).toMatch(/CPU +– +1\.00%$/m)
  })

  it("replaces the section between its markers, and nothing else", () => {
    const page = (section: string) =>
      `above\n\n<!-- results: made by npm run bench -- --render -->${section}<!-- end of results -->\nbelow\n`
    const once = Report.replaceSection(page("\n"), "figures")
    expect(once).toBe(page("\n\nfigures\n\n"))
    expect(Report.replaceSection(once ?? "", "figures")).toBe(once)
    expect(Report.replaceSection("no markers", "figures")).toBeUndefined()
  })

  it("draws a line for the median and one for the 99th percentile of each", () => {
    const svg = Plot.svg(Plot.series(results))
    expect(svg.match(/<polyline/g)).toHaveLength(4)
    expect(svg.match(/<circle/g)).toHaveLength(8)
    expect(svg).toContain("&lt;theirs&gt;, median")
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
  })

  it("draws what there is", () => {
    expect(Plot.svg(Plot.series({ ...results, rows: [] }))).not.toMatch(/NaN|Infinity|undefined/)
    const one = Plot.svg(Plot.series({ ...results, rows: latency(latency([], 0, 1000, 5), 1, 1000, null) }))
    expect(one.match(/<polyline/g)).toHaveLength(2)
    expect(one).not.toMatch(/NaN|Infinity|undefined/)
  })
})

describe("the page", () => {
  const file = (name: string) => new URL(`../../docs/${name}`, import.meta.url)

  it.skipIf(!Fs.existsSync(file("performance.json")))("shows the results that are kept beside it", () => {
    const kept = Schema.decodeSync(ResultsJson)(Fs.readFileSync(file("performance.json"), "utf8"))
    const page = Fs.readFileSync(file("performance.md"), "utf8")
    expect(Report.replaceSection(page, Report.markdown(kept))).toBe(page)
    expect(Plot.svg(Plot.series(kept))).toBe(Fs.readFileSync(file("performance.svg"), "utf8"))
  })
})

it("the kernel's figures of a process are read, whatever its name", () => {
  const stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 11 0 1 1 1"
  const status = "Name:\ta\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n"
  expect(parseUsage(stat, status)).toEqual({ cpuSeconds: 1.75, peakMegabytes: 200, residentMegabytes: 100 })
})
