/**
 * A source prefix, a destination prefix, and the programs that copy one to the other. Several pairs share servers, and have no key
 * in common.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Program from "../../program/Program.js"
import * as Store from "../../support/consul/Store.js"

export interface Pair {
  readonly prefix: string
  readonly lock: string
  readonly status: string
  /** The name of the pair's programs in the destination's catalog. */
  readonly service: string
  readonly source: Store.Store
  readonly destination: Store.Store
  /** Starts a program with the destination's agent, or with `agent`. */
  readonly start: (agent?: string) => ReturnType<typeof Program.start>
  /** The session that holds the lock. */
  readonly session: Effect.Effect<Option.Option<string>>
  /** Writes a key of this name, as soon as the source accepts it. Returns the time until the destination has the key, in ms. */
  readonly arrives: (name: string) => Effect.Effect<number>
  /** Waits until both sides are equal. */
  readonly settle: Effect.Effect<void>
}

interface Place {
  readonly name: string
  readonly address: string
}

/** Keys whose names begin almost like the prefix. No program of a pair may change them. */
export const foreignTo = ({ prefix }: Pick<Pair, "prefix">): ReadonlyArray<string> => [
  prefix.slice(0, -1),
  `${prefix.slice(0, -1)}-foreign/a`,
  `foreign/${prefix}a`
]

/** The keys that differ between both sides. A failing expectation prints them, and no value. */
const differing = (source: ReadonlyArray<string>, destination: ReadonlyArray<string>) => {
  const [left, right] = [new Set(source), new Set(destination)]
  return [
    ...source.filter((entry) => !right.has(entry)),
    ...destination.filter((entry) => !left.has(entry))
  ].map((entry) => /"Key":("(?:[^"\\]|\\.)*")/.exec(entry)?.[1] ?? "?")
}

export const make = (
  name: string,
  { destination, source }: { readonly source: Place; readonly destination: Place },
  args: ReadonlyArray<string> = []
): Pair => {
  const prefix = `${name}/`
  const lock = `service/${name}/leader`
  const status = `service/${name}/status`
  const [from, to] = [Store.at(source.address), Store.at(destination.address)]
  return {
    prefix,
    lock,
    status,
    service: name,
    source: from,
    destination: to,
    start: (agent = destination.address) =>
      Program.start([
        `-src=${source.name}`,
        `-addr=${agent}`,
        `-prefix=${prefix}`,
        `-lock=${lock}`,
        `-status=${status}`,
        `-service=${name}`,
        ...args
      ]),
    session: Effect.map(to.request("GET", `/v1/kv/${lock}`), ({ text }) =>
      Option.fromNullable(/"Session":"([^"]+)"/.exec(text)?.[1])
    ),
    arrives: (name) =>
      Effect.gen(function* () {
        const before = yield* Clock.currentTimeMillis
        yield* from
          .put({ key: prefix + name, value: String(before) })
          .pipe(
            Effect.sandbox,
            Effect.retry(Schedule.spaced("20 millis")),
            Effect.timeout(Program.hung),
            Effect.orDie
          )
        yield* Store.eventually(to.value(prefix + name), (value) => value === String(before))
        return (yield* Clock.currentTimeMillis) - before
      }),
    settle: Effect.asVoid(
      Store.eventually(
        Effect.zipWith(from.entries(prefix), to.entries(prefix), differing),
        (keys) => keys.length === 0
      )
    )
  }
}
