/**
 * The plot of change latency by the number of keys, as SVG: both axes logarithmic, readable on light and dark pages.
 */
import { format } from "./Figure.js"
import type { Results } from "./Results.js"

export interface Point {
  readonly keys: number
  readonly ms: number
}

export interface Series {
  readonly label: string
  /** The position of the program, which decides on the colour. */
  readonly program: number
  readonly dashed: boolean
  readonly points: ReadonlyArray<Point>
}

/** Median and 99th percentile of each program. */
export const series = ({ programs, rows }: Results): ReadonlyArray<Series> =>
  programs.flatMap((name, program) =>
    ["median", "99th percentile"].map((what, i) => ({
      label: `${name}, ${what}`,
      program,
      dashed: i === 1,
      points: rows
        .filter((row) => row.part === "latency" && row.what === what)
        .flatMap(({ keys, values }) => {
          const ms = values[program]
          return ms === null || ms === undefined || ms <= 0 ? [] : [{ keys, ms }]
        })
        .sort((a, b) => a.keys - b.keys)
    }))
  )

const width = 720
const height = 400
const plot = { left: 64, right: width - 36, top: 28, bottom: height - 52 }

/** The whole powers of ten around all values: at least one decade. */
const decades = (values: ReadonlyArray<number>): { readonly from: number; readonly to: number } => {
  const from = Math.floor(Math.log10(Math.min(...values)))
  return { from, to: Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values)))) }
}

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

const style = `
    text { font: 13px system-ui, sans-serif; fill: #57606a }
    .grid { stroke: #d0d7de }
    .line { fill: none; stroke-width: 2 }
    .p0 { stroke: #0969da; color: #0969da } .p1 { stroke: #cf222e; color: #cf222e }
    .dashed { stroke-dasharray: 5 4 }
    .dot { fill: currentColor; stroke: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 }
      .grid { stroke: #3d444d }
      .p0 { stroke: #4493f8; color: #4493f8 } .p1 { stroke: #ff7b72; color: #ff7b72 }
    }`

export const svg = (all: ReadonlyArray<Series>): string => {
  const drawn = all.filter(({ points }) => points.length > 0)
  const points = drawn.flatMap(({ points }) => points)
  const across = decades(points.length > 0 ? points.map(({ keys }) => keys) : [1000, 100_000])
  const up = decades(points.length > 0 ? points.map(({ ms }) => ms) : [1, 1000])
  const scale = (value: number, { from, to }: { from: number; to: number }) =>
    (Math.log10(value) - from) / (to - from)
  const x = (keys: number) => (plot.left + scale(keys, across) * (plot.right - plot.left)).toFixed(1)
  const y = (ms: number) => (plot.bottom - scale(ms, up) * (plot.bottom - plot.top)).toFixed(1)
  const powers = ({ from, to }: { from: number; to: number }) =>
    Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i))

  const grid = [
    ...powers(across).map(
      (keys) =>
        `<line class="grid" x1="${x(keys)}" x2="${x(keys)}" y1="${plot.top}" y2="${plot.bottom}"/>` +
        `<text x="${x(keys)}" y="${plot.bottom + 20}" text-anchor="middle">${keys.toLocaleString("en")}</text>`
    ),
    ...powers(up).map(
      (ms) =>
        `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${y(ms)}" y2="${y(ms)}"/>` +
        `<text x="${plot.left - 8}" y="${Number(y(ms)) + 4}" text-anchor="end">${String(ms)}</text>`
    ),
    `<text x="${(plot.left + plot.right) / 2}" y="${height - 12}" text-anchor="middle">keys under the prefix</text>`,
    `<text x="8" y="18">ms from the write's answer at the source to the destination</text>`
  ]
  const lines = drawn.flatMap(({ dashed, label, points, program }, i) => {
    const colour = `p${Math.min(program, 1)}`
    const line = `line ${colour}${dashed ? " dashed" : ""}`
    const legend = plot.top + 20 + i * 20
    return [
      `<polyline class="${line}" points="${points.map(({ keys, ms }) => `${x(keys)},${y(ms)}`).join(" ")}"/>`,
      ...points.map(
        ({ keys, ms }) =>
          `<circle class="dot ${colour}" cx="${x(keys)}" cy="${y(ms)}" r="4"><title>${escape(label)}: ${format(ms, "ms")}</title></circle>`
      ),
      `<line class="${line}" x1="${plot.left + 14}" x2="${plot.left + 44}" y1="${legend}" y2="${legend}"/>`,
      `<text x="${plot.left + 52}" y="${legend + 4}">${escape(label)}</text>`
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Change latency by the number of keys">`,
    `  <style>${style}\n  </style>`,
    ...[...grid, ...lines].map((element) => `  ${element}`),
    "</svg>\n"
  ].join("\n")
}
