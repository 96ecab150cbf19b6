/**
 * What a run measures, how often and for how long, from its arguments.
 */
import { parseArgs } from "node:util"
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/** In the order in which they run. */
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
  /** Changes one after another. */
  readonly changes: number
  /** Writes a second at the source, one rate after the other. */
  readonly rates: ReadonlyArray<number>
  /** Of each rate. */
  readonly rateSeconds: number
  readonly burst: number
  /** Between a first sync and what is measured at rest. */
  readonly restSeconds: number
  readonly idleSeconds: number
  readonly reconcileSeconds: number
  /** First syncs, as long as all of them together take less than a minute. */
  readonly repetitions: number
}

export interface Arguments {
  readonly plan: Plan
  readonly against: { readonly path: string; readonly name: string | undefined } | undefined
  readonly quick: boolean
  readonly json: string
  readonly writeDocs: boolean
  /** Makes the page from the results that are kept, and measures nothing. */
  readonly render: boolean
  readonly help: boolean
}

export class WrongArguments extends Data.TaggedError("WrongArguments")<{ readonly message: string }> {}

/** From here on only what a size of its own can tell is measured: first sync, idle, restart. */
export const largest = 100_000

/** The size at which everything is measured that is measured at one size. */
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
  // The first look for drift finds all that was just written moved; three minutes hold one of all that comes round.
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
    const unknown = only.find((part) => !parts.some((known) => known === part))
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
