/**
 * The plan of a run, from its arguments: the measurements, their number and their durations.
 */
import { parseArgs } from "node:util"
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/** The measurements, in the order in which they run. */
export const parts = [
  "raw",
  "first-sync",
  "latency",
  "shapes",
  "sustained",
  "burst",
  "idle",
  "restart",
  "traffic",
  "reconcile",
  "several"
] as const
export type Part = (typeof parts)[number]

export interface Plan {
  readonly sizes: ReadonlyArray<number>
  readonly only: ReadonlySet<Part>
  /** The number of changes that are timed one after another. */
  readonly changes: number
  /** The rates of writes at the source, in writes a second. */
  readonly rates: ReadonlyArray<number>
  /** The duration of each rate. */
  readonly rateSeconds: number
  readonly burst: number
  /** The pause between a first sync and the measurement at rest. */
  readonly restSeconds: number
  readonly idleSeconds: number
  readonly reconcileSeconds: number
  /** The number of first syncs, unless they take more than a minute together. */
  readonly repetitions: number
}

export interface Arguments {
  readonly plan: Plan
  readonly against: { readonly path: string; readonly name: string | undefined } | undefined
  readonly quick: boolean
  readonly json: string
  readonly writeDocs: boolean
  /** Whether only the page is made, from stored results, without a measurement. */
  readonly render: boolean
  readonly help: boolean
}

export class WrongArguments extends Data.TaggedError("WrongArguments")<{ readonly message: string }> {}

/** From this size on, only first sync, idle and restart are measured. */
export const largest = 100_000

/** The size of the measurements that have only one size. */
export const standard = ({ sizes }: Plan): number | undefined =>
  sizes.filter((size) => size <= largest).at(-1)

export const measures = (plan: Plan, part: Part, size: number): boolean => {
  if (!plan.only.has(part)) return false
  switch (part) {
    case "first-sync":
      return true
    case "latency":
      return size <= largest
    case "idle":
    case "restart":
      return size > largest || size === standard(plan)
    case "sustained":
      return size === standard(plan) || (size >= 10_000 && size <= largest)
    default:
      return size === standard(plan)
  }
}

const full = {
  changes: 200,
  rates: [100, 250, 500, 1000, 2000, 4000],
  rateSeconds: 5,
  burst: 10_000,
  // The first scan for drift reads all keys that were just written. Three minutes contain each periodic task once.
  restSeconds: 90,
  idleSeconds: 180,
  reconcileSeconds: 20,
  repetitions: 3
}

const quick: typeof full = {
  changes: 20,
  rates: [100, 500],
  rateSeconds: 2,
  burst: 1000,
  restSeconds: 1,
  idleSeconds: 4,
  reconcileSeconds: 4,
  repetitions: 1
}

export const usage = `npm run bench -- [options]

  --keys 1000,10000,100000   numbers of keys; over ${largest} only first sync, idle and restart are measured
  --against PROGRAM          measures this one too: a .js file, or an executable, that takes the first release's options
  --against-name NAME        what to call it; its file's name unless given
  --only PART,PART           ${parts.join(", ")}
  --quick                    1,000 keys, little of everything: to see that it works, not to quote
  --json FILE                where the results go; bench/results.json unless given
  --write-docs               keeps the results in docs/, with the page and its plot
  --render                   makes the page and its plot again from the results in docs/, without measuring
`

export const parse = (args: ReadonlyArray<string>): Either.Either<Arguments, WrongArguments> =>
  Either.gen(function* () {
    const { values } = yield* Either.try({
      try: () =>
        parseArgs({
          args: [...args],
          options: {
            keys: { type: "string" },
            against: { type: "string" },
            "against-name": { type: "string" },
            only: { type: "string" },
            quick: { type: "boolean", default: false },
            json: { type: "string", default: "bench/results.json" },
            "write-docs": { type: "boolean", default: false },
            render: { type: "boolean", default: false },
            help: { type: "boolean", default: false }
          }
        }),
      catch: (error) =>
        new WrongArguments({ message: error instanceof Error ? error.message : String(error) })
    })
    const sizes = (values.keys ?? (values.quick ? "1000" : "1000,10000,100000")).split(",").map(Number)
    if (!sizes.every((size) => Number.isInteger(size) && size >= 100)) {
      yield* Either.left(new WrongArguments({ message: "--keys: whole numbers from 100 on" }))
    }
    const only = values.only?.split(",") ?? parts
    const unknown = only.find((part) => !parts.some((name) => name === part))
    if (unknown !== undefined) {
      yield* Either.left(
        new WrongArguments({ message: `--only: there is no ${unknown}, but ${parts.join(", ")}` })
      )
    }
    if (values["write-docs"] && (values.quick || values.only !== undefined)) {
      yield* Either.left(
        new WrongArguments({ message: "--write-docs: the page shows full runs, without --quick and --only" })
      )
    }
    return {
      plan: {
        ...(values.quick ? quick : full),
        sizes: sizes.sort((a, b) => a - b),
        only: new Set(parts.filter((part) => only.some((wanted) => wanted === part)))
      },
      against:
        values.against === undefined ? undefined : { path: values.against, name: values["against-name"] },
      quick: values.quick,
      json: values.json,
      writeDocs: values["write-docs"],
      render: values.render,
      help: values.help
    }
  })
