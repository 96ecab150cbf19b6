/**
 * What a snapshot of the source changes at the destination. One that may be wrong is not taken at its word: the source
 * is read again, by servers that know that they are not behind, and what they say counts.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type { ConsulError } from "../ConsulError.js"
import type { Contents } from "../Contents.js"
import * as Diff from "../Diff.js"
import * as KeyRange from "../KeyRange.js"
import type { Mapping } from "../Mapping.js"
import { type Replication, watched } from "../Replication.js"
import * as Schedules from "../Schedules.js"
import { type Snapshot, Watcher } from "../Watcher.js"
import * as Condition from "./Condition.js"
import * as Notices from "./Notices.js"
import * as Verdict from "./Verdict.js"

/** What is known when a snapshot comes. */
export interface Known extends Verdict.Verdict {
  /** What the destination holds, our own keys left out. */
  readonly contents: Contents
  /** Keys that are here what the source said for certain, not long ago. */
  readonly confirmed: ReadonlyMap<string, Confirmed>
}

/** By which index of the source, and when that was (ms). */
interface Confirmed {
  readonly index: number
  readonly at: number
}

/** A snapshot that is believed, and what it changes. `confirmedAt` when it was asked for to be sure, and when (ms). */
export interface Compared {
  readonly snapshot: Snapshot
  readonly difference: Diff.Difference
  readonly confirmedAt: Option.Option<number>
}

export interface Doubt {
  /** Believes one that was asked for to be sure. */
  readonly asConfirmed: (known: Known, snapshot: Snapshot) => Effect.Effect<Compared>
  /** Believes it, or what the source says for certain instead. `keys` is how many the destination held. */
  readonly compare: (known: Known, snapshot: Snapshot, keys: number) => Effect.Effect<Compared, ConsulError>
}

const isRecent = ({ at }: Confirmed, now: number): boolean =>
  now - at < Duration.toMillis(Schedules.answerLife)

/**
 * Whether a snapshot is of another history than the one before, or was read before a confirmation with which it does not
 * agree: what it says otherwise of a key would have a later index if it were newer. An answer that nobody can doubt can
 * be one that had to wait.
 */
const isOld = ({ confirmed }: Known, { difference, snapshot }: Compared, now: number): boolean => {
  const isBefore = (key: string) => {
    const one = confirmed.get(key)
    return one !== undefined && snapshot.index < one.index && isRecent(one, now)
  }
  return (
    (snapshot.rewound && !snapshot.isCertain) ||
    (confirmed.size > 0 &&
      (difference.writes.some(({ key }) => isBefore(key)) || difference.missing.some(isBefore)))
  )
}

/** What is confirmed once a snapshot has been believed. */
export const confirmedAfter = (
  { confirmed }: Known,
  { confirmedAt, difference, snapshot: { index } }: Compared
): ReadonlyMap<string, Confirmed> =>
  Option.match(confirmedAt, {
    onNone: () => confirmed,
    onSome: (at) => {
      const keys = [...difference.writes.map(({ key }) => key), ...difference.missing]
      return new Map([
        ...[...confirmed].filter(([, one]) => isRecent(one, at)),
        ...keys.map((key) => [key, { index, at }] as const)
      ])
    }
  })

export const make = Effect.fnUntraced(function* (
  replication: Replication,
  mapping: Mapping
): Effect.fn.Return<Doubt, never, Watcher> {
  const { deletes, maxDeletes, prefix, source } = replication
  const watcher = yield* Watcher
  const doubting = yield* Condition.make(`the answers of ${source} hold again`)
  const pace = yield* Schedule.driver(Schedules.lookAgain)
  const wasWrong = yield* Ref.make(false)
  const whole = KeyRange.under(prefix)

  /** Whether the source is empty all of a sudden, or so many keys are gone that the limit may hold them back. */
  const isShrunken = (
    known: Known,
    { entries, range }: Snapshot,
    missing: ReadonlyArray<string>,
    keys: number
  ) =>
    missing.length > 0 &&
    (entries.length === 0 ||
      (deletes && !Verdict.allows(maxDeletes, known, missing, KeyRange.equals(range, whole), keys)))

  const asIs = ({ contents }: Known, snapshot: Snapshot): Compared => ({
    snapshot,
    difference: Diff.diff(contents, mapping, snapshot.range, snapshot.entries),
    confirmedAt: Option.none()
  })

  const asConfirmed: Doubt["asConfirmed"] = (known, snapshot) =>
    Effect.map(Clock.currentTimeMillis, (now) => ({
      ...asIs(known, snapshot),
      confirmedAt: Option.some(now)
    }))

  const compare: Doubt["compare"] = Effect.fnUntraced(function* (known, first, keys) {
    const compared = asIs(known, first)
    const old = isOld(known, compared, yield* Clock.currentTimeMillis)
    if (!old && !isShrunken(known, first, compared.difference.missing, keys)) {
      // A consistent read says nothing about whether the others can be believed again.
      if (!first.isCertain) {
        yield* doubting.fine
        yield* Ref.set(wasWrong, false)
      }
      return compared
    }
    if (old || (yield* Ref.get(wasWrong))) yield* Effect.ignore(pace.next(undefined))
    const confirmed = yield* watcher.confirm({ ...watched(replication), range: first.range })
    const certain = yield* asConfirmed(known, confirmed)
    const wrong = compared.difference.missing.length - certain.difference.missing.length
    yield* Ref.set(wasWrong, wrong > 0)
    if (wrong > 0) yield* doubting.trouble("wrong", Notices.wrong(replication, wrong))
    return certain
  })

  return { asConfirmed, compare }
})
