/**
 * How long replication may wait for one thing, be it as long as `-timeout` allows or, for a right that the token lacks, not at
 * all. It may take as long as it likes to copy.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Monotonic from "../../../internal/effect/Monotonic.js"
import type * as Waits from "../../../internal/report/Waits.js"
import { Hopeless } from "./FirstContact.js"

/** Nothing got ahead for as long as `-timeout` allows. `what` is what was waited for. */
export class TimedOut extends Data.TaggedError("TimedOut")<{
  readonly timeout: Duration.Duration
  readonly what: string
}> {
  override get message() {
    return `gave up after ${Duration.format(this.timeout)} (-timeout): ${this.what}`
  }
}

interface Wait {
  /** In ms of the monotonic clock. */
  readonly since: number
  readonly kind: Waits.Kind
  readonly what: string
}

export interface Patience {
  readonly listener: Waits.Listener
  /** Fails when a wait has lasted for too long. */
  readonly exhausted: Effect.Effect<never, TimedOut>
  /** Fails when the servers have answered that the token lacks a right. */
  readonly denied: Effect.Effect<never, Hopeless>
}

/**
 * `kinds` are the waits that count. Until the first answer, replication waits for `first`.
 *
 * Trouble has lasted for too long when an attempt fails after the time that is allowed, and not before: replication may
 * give up what was in trouble, and attempts it no more then.
 */
export const make = (options: {
  readonly timeout: Duration.Duration
  readonly kinds: ReadonlySet<Waits.Kind>
  readonly first: string
}): Effect.Effect<Patience> =>
  Effect.gen(function* () {
    const { first, kinds, timeout } = options
    const limit = Duration.toMillis(timeout)
    const gaveUp = yield* Deferred.make<never, TimedOut>()
    const denied = yield* Deferred.make<never, Hopeless>()
    const beginning = {}
    const waits = new Map<object, Wait>([
      [beginning, { since: yield* Monotonic.now, kind: "Turn", what: first }]
    ])

    const forget = (kind: Waits.Kind) => {
      for (const [wait, known] of waits) if (known.kind === kind) waits.delete(wait)
    }

    const waiting: Waits.Listener["waiting"] = (wait, kind, what) => {
      if (kind === "Denied") return Effect.asVoid(Deferred.fail(denied, new Hopeless({ problem: what })))
      return Effect.flatMap(Monotonic.now, (now) => {
        const since = (waits.get(wait) ?? waits.get(beginning))?.since ?? now
        waits.delete(beginning)
        // Who stands by has nothing else to wait for, whatever an earlier attempt to lead left behind.
        if (kind === "Turn") forget("Trouble")
        if (!kinds.has(kind)) return Effect.void
        waits.set(wait, { since, kind, what })
        return kind === "Trouble" && now - since >= limit
          ? Effect.asVoid(Deferred.fail(gaveUp, new TimedOut({ timeout, what })))
          : Effect.void
      })
    }

    const over: Waits.Listener["over"] = (wait) =>
      Effect.sync(() => {
        waits.delete(beginning)
        waits.delete(wait)
      })

    /** Nothing is attempted while it is another's turn: time alone ends that wait. */
    const standing = Effect.gen(function* () {
      for (;;) {
        const now = yield* Monotonic.now
        const turn = Array.from(waits.values()).find(({ kind }) => kind === "Turn")
        // A wait that begins during the sleep ends after it.
        const left = turn === undefined ? limit : turn.since + limit - now
        if (turn !== undefined && left <= 0) return yield* new TimedOut({ timeout, what: turn.what })
        yield* Effect.sleep(Duration.millis(Math.max(left, 1)))
      }
    })

    return {
      listener: { waiting, over },
      exhausted: Effect.raceFirst(Deferred.await(gaveUp), standing),
      denied: Deferred.await(denied)
    }
  })
