/**
 * Shows arrivals: on a terminal as a table that is updated in place, elsewhere as a line each.
 */
import * as Console from "effect/Console"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { printable } from "../../node/Printable.js"
import type { Arrival } from "./Traffic.js"

const millis = (latency: number | undefined): string =>
  latency === undefined ? "" : `${latency < 10 ? latency.toFixed(1) : Math.round(latency)} ms`

const route = ({ from, to }: Arrival): string => `${from} → ${to}`

export const line = (arrival: Arrival): string =>
  `${route(arrival)}  ${arrival.deleted ? "deleted " : ""}${printable(arrival.key)}  ${millis(arrival.latency)}`.trimEnd()

interface Row {
  readonly changes: number
  readonly latest: Arrival
  /** Of the last changes, in ms, oldest first. */
  readonly latencies: ReadonlyArray<number>
}

/** By route. */
export type Table = ReadonlyMap<string, Row>

const remembered = 100

export const add = (table: Table, arrival: Arrival): Table => {
  const before = table.get(route(arrival))
  const latencies = [
    ...(before?.latencies ?? []),
    ...(arrival.latency === undefined ? [] : [arrival.latency])
  ]
  return new Map(table).set(route(arrival), {
    changes: (before?.changes ?? 0) + 1,
    latest: arrival,
    latencies: latencies.slice(-remembered)
  })
}

const median = (values: ReadonlyArray<number>): number | undefined =>
  [...values].sort((a, b) => a - b)[values.length >> 1]

export const render = (table: Table): ReadonlyArray<string> => [
  `${"".padEnd(14)}${"changes".padStart(8)}${"median".padStart(10)}${"last".padStart(10)}   key`,
  ...Array.from(table, ([name, { changes, latencies, latest }]) =>
    [
      name.padEnd(14),
      String(changes).padStart(8),
      millis(median(latencies)).padStart(10),
      millis(latest.latency).padStart(10),
      `   ${latest.deleted ? "deleted " : ""}${printable(latest.key).slice(0, 40)}`
    ].join("")
  )
]

/**
 * Moves the cursor to the first line of the former table, and writes over it. Long lines are cut, since a wrapped line would
 * count as two.
 */
const redraw = (lines: ReadonlyArray<string>, linesBefore: number): string => {
  const up = linesBefore > 0 ? `\x1b[${linesBefore}A` : ""
  return `${up}\x1b[?7l${lines.map((text) => `\x1b[2K${text}`).join("\n")}\x1b[?7h`
}

/** Runs for as long as changes arrive. */
export const show = (arrivals: Stream.Stream<Arrival>, terminal: boolean): Effect.Effect<void> =>
  terminal
    ? arrivals.pipe(
        Stream.scan({ table: new Map() as Table, linesBefore: 0 }, ({ table }, arrival) => ({
          table: add(table, arrival),
          linesBefore: table.size === 0 ? 0 : table.size + 1
        })),
        Stream.drop(1),
        Stream.runForEach(({ linesBefore, table }) => Console.log(redraw(render(table), linesBefore)))
      )
    : Stream.runForEach(arrivals, (arrival) => Console.log(line(arrival)))
