/**
 * What a replicator tells a person about the keys that it copies: their number and names, never their values.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as DeleteLimit from "../../DeleteLimit.js"
import { ProgressReporter } from "../../Progress.js"
import { type Replication, route } from "../../Replication.js"
import type { Obstacle } from "../destination/Refusal.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Seen } from "../plan/Compared.js"
import type { Drift, Found } from "../plan/Diff.js"
import * as Exclusion from "../plan/Exclusion.js"
import * as PassLog from "./PassLog.js"

export interface ReplicationLog {
  /** Oddities of the source, each key said once, and no more of one kind than a person would read. */
  readonly snapshot: (snapshot: Seen) => Effect.Effect<void>
  /** Keys that the source has and leaves out of its answers, each said once. */
  readonly hidden: (keys: ReadonlyArray<string>) => Effect.Effect<void>
  /** How far a comparison has come; not said of one that is soon done. */
  readonly comparing: (comparison: {
    readonly startedAt: number
    readonly compared: number
    readonly expectedKeys: number
    readonly writes: number
  }) => Effect.Effect<void>
  readonly applied: (pass: {
    readonly writes: number
    readonly deletes: number
    readonly keys: number
    readonly index: number
    readonly duration: Duration.Duration
    /** What a comparison of both sides in full found, which ends with this pass. */
    readonly found: Option.Option<Drift>
    /** Nothing is left to do now, as there was before. */
    readonly inSync: boolean
  }) => Effect.Effect<void>
  /** Nothing is said of none. */
  readonly drift: (drift: Found, repaired: boolean) => Effect.Effect<void>
}

/**
 * For the service's check. The figures are those of the moment `since` which all has been well: later ones are in the
 * status, and would change the check too often.
 */
export const inSync = (
  { source, status }: Replication,
  since: DateTime.Utc,
  keys: number,
  index: Option.Option<number>
): string =>
  `in sync since ${DateTime.formatIso(since)}, no lag then: ${count(keys, "key")} at ${source} index ` +
  `${Option.getOrElse(index, () => 0)}; figures of now: ${status}`

/** For the log and for the service's check. `of` is how many keys the destination holds. */
export const holding = (replication: Replication, held: ReadonlySet<string>, of: number): string =>
  `holding back the deletion of ${held.size} of the ${count(of, "key")} under ` +
  `${JSON.stringify(replication.destinationPrefix)} (${some([...held])}; ` +
  `-max-deletes=${DeleteLimit.format(replication.maxDeletes)}): ` +
  `${replication.source} does not have them, or not for this token; if that is meant, delete them yourself, or ` +
  `restart all instances with -max-deletes=${enough(replication.maxDeletes, held.size)}`

/** A limit that lets so many go, and that is not the one by which they are held. */
const enough = (limit: DeleteLimit.DeleteLimit, held: number): number =>
  limit._tag === "Count" ? Math.max(held, limit.count + 1) : held

/** For the log and for the service's check. */
export const refused = (refusals: ReadonlyArray<Obstacle>): string =>
  `${count(refusals.length, "key")} did not land, all else does: ${listed(refusals.map(({ message }) => message))}; ` +
  "tried again when that changes at the source, and every minute"

/** When a consistent read found so many keys that another had not. */
export const wrong = ({ source }: Replication, keys: number): string =>
  `${source} answered without ${count(keys, "key")} that a consistent read then found: they stay`

/** As in `1 key` or `2 keys`. */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`

const counts = ({ changed, extra, missing }: Drift): string =>
  `${changed} changed, ${missing} missing, ${extra} extra`

/** As many as a person would read. */
const listed = (texts: ReadonlyArray<string>): string =>
  texts.slice(0, 3).join(", ") + (texts.length > 3 ? ", …" : "")

/** A few of these keys, for a person. */
export const some = (keys: ReadonlyArray<string>): string => listed(keys.map((key) => JSON.stringify(key)))

const named = (keys: ReadonlyArray<string>): string =>
  `${count(keys.length, "key")} at the source (${some(keys)})`

/** A source whose locks have new names each time would have no end of them. */
const mostOddities = 1_000

export const make = (replication: Replication): Effect.Effect<ReplicationLog, never, Scope.Scope> =>
  Effect.gen(function* () {
    const passLog = yield* PassLog.make
    const progress = yield* ProgressReporter
    const locked = new Set<string>()
    const unnamed = new Set<string>()
    const hidden = new Set<string>()
    let reported: number | undefined
    const sayNew = (
      said: Set<string>,
      keys: ReadonlyArray<string>,
      message: (which: string) => string
    ): Effect.Effect<void> => {
      const fresh = said.size < mostOddities ? keys.filter((key) => !said.has(key)) : []
      if (fresh.length === 0) return Effect.void
      for (const key of fresh.slice(0, mostOddities - said.size)) said.add(key)
      const end = said.size < mostOddities ? "" : "; there are so many that no more are named"
      return Effect.logWarning(message(named(fresh)) + end)
    }
    const from = route(replication)
    const without = (keys: ReadonlyArray<string>) => Exclusion.without(replication.exclude, keys)

    return {
      snapshot: ({ entries, invalidUtf8Keys }) =>
        Effect.all([
          sayNew(
            locked,
            without(entries.filter((entry) => entry.session !== undefined).map((entry) => entry.key)),
            (which) => `${which} locked by a session: the value is copied, the lock is not`
          ),
          sayNew(
            unnamed,
            without(invalidUtf8Keys),
            (which) => `${which} not valid UTF-8: Consul's HTTP interface cannot name it, so it is not copied`
          )
        ]),
      hidden: (keys) =>
        sayNew(
          hidden,
          keys,
          (which) =>
            `${which} left out of its answers: the token may not read them there; they stay as they are here`
        ),
      comparing: ({ compared, expectedKeys: of, startedAt: since, writes }) =>
        Effect.flatMap(Monotonic.now, (now) => {
          if (now - Math.max(since, reported ?? 0) < Duration.toMillis(progress.every)) return Effect.void
          reported = now
          return progress.report({ compared, of, writes, elapsed: Duration.millis(now - since) })
        }),
      applied: ({ deletes, duration, found, inSync, index, keys, writes }) => {
        const what = `${count(writes, "write")}, ${count(deletes, "delete")}`
        const took = `${Math.round(Duration.toMillis(duration))} ms`
        const done = reported === undefined ? Effect.void : progress.done
        reported = undefined
        const before = Option.match(found, {
          onNone: () => "",
          onSome: (found) => `; found ${counts(found)}`
        })
        const replicated = `replicated ${what} in ${took} (index ${index})${before}`
        return Effect.zipRight(
          done,
          inSync
            ? Effect.logInfo(
                `in sync: ${from}, ${count(keys, "key")} after ${what} in ${took} (index ${index})${before}`
              )
            : Option.isSome(found)
              ? Effect.logInfo(replicated)
              : passLog.log(
                  { writes, deletes, passes: 1, lag: Duration.toMillis(duration), index },
                  replicated
                )
        )
      },
      drift: ({ changed, extra, missing }, repaired) => {
        const keys = [...changed, ...missing, ...extra]
        const drift = { changed: changed.length, missing: missing.length, extra: extra.length }
        return keys.length === 0
          ? Effect.void
          : Effect.logInfo(`${repaired ? "repaired" : "found"} drift: ${counts(drift)} (${some(keys)})`)
      }
    }
  })
