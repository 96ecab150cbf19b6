/**
 * How long replication may wait for one thing: as long as `-timeout` allows, or not at all for a right that the token lacks. The
 * time for copying has no limit.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Monotonic from "../../../internal/effect/Monotonic.js"
import type { Consumer } from "../../../internal/report/EventSink.js"
import * as EventText from "../../../internal/report/EventText.js"
import type { ReplicationEvent } from "../../../ReplicationEvent.js"
import { Hopeless } from "./FirstContact.js"

/** A wait lasted longer than `-timeout` allows. */
export class TimedOut extends Data.TaggedError("TimedOut")<{
  readonly timeout: Duration.Duration
  /** The option that sets `timeout`, with its dash. */
  readonly option: string
  /** The wait, for a person. */
  readonly what: string
}> {
  override get message() {
    return `gave up after ${Duration.format(this.timeout)} (${this.option}): ${this.what}`
  }
}

/**
 * A kind of wait. `Trouble`: an attempt failed, and another one follows. `Turn`: another instance holds the lock, as
 * it should while it leads, or owns the status key; nothing is attempted until that instance gives it back.
 */
export type Kind = "Trouble" | "Turn"

type Trouble = Extract<ReplicationEvent, { readonly _tag: "Trouble" }>

export interface Patience {
  /** Consumes the events of the replication. */
  readonly consumer: Pick<Consumer, "consume">
  /** Fails when a wait has lasted for too long. */
  readonly exhausted: Effect.Effect<never, TimedOut>
  /** Fails when the servers have answered that the token lacks a right. */
  readonly denied: Effect.Effect<never, Hopeless>
}

/** Subjects of trouble that does not stop replication. */
const harmless: ReadonlySet<Trouble["subject"]["_tag"]> = new Set(["Session", "Connections", "Rate"])

/** One wait for a turn. */
interface Turn {
  /** When it began: ms, monotonic. */
  readonly since: number
  /** The wait, for a person. */
  readonly what: string
}

/**
 * `kinds` are the waits that count. `first` describes the wait for the first answer.
 *
 * Trouble has lasted too long only if an attempt fails after `timeout`: replication may make no further attempt of that kind, and
 * then the trouble does not count.
 */
export const make = (options: {
  readonly timeout: Duration.Duration
  /** `-timeout` unless given. */
  readonly option?: string
  readonly kinds: ReadonlySet<Kind>
  readonly first: string
}): Effect.Effect<Patience> =>
  Effect.gen(function* () {
    const { first, kinds, option = "-timeout", timeout } = options
    const limit = Duration.toMillis(timeout)
    const gaveUp = yield* Deferred.make<never, TimedOut>()
    const denied = yield* Deferred.make<never, Hopeless>()
    const startedAt = yield* Monotonic.now
    /** Before this, trouble does not count: ms, monotonic. */
    let countedFrom = startedAt
    /** The subject that was in trouble before anything had answered. */
    let firstTrouble: string | undefined
    /** The waits for a turn, by what is waited for. */
    const turns = new Map<string, Turn>([["first", { since: startedAt, what: first }]])

    const failed = (event: Trouble, now: number) => {
      const subject = event.subject._tag
      if (turns.delete("first")) firstTrouble = subject
      turns.delete(subject)
      if (!kinds.has("Trouble")) return Effect.void
      const since = subject === firstTrouble ? startedAt : now - event.failingFor
      return now - Math.max(since, countedFrom) >= limit
        ? Deferred.fail(gaveUp, new TimedOut({ timeout, option, what: EventText.lasting(event) }))
        : Effect.void
    }

    const waitForTurn = (whose: string, what: string, now: number) =>
      Effect.sync(() => {
        const since = (turns.get(whose) ?? turns.get("first"))?.since ?? now
        turns.delete("first")
        // An instance that stands by waits for nothing else: trouble of an earlier attempt to lead does not count any more.
        countedFrom = now
        firstTrouble = undefined
        if (kinds.has("Turn")) turns.set(whose, { since, what })
      })

    const over = (what: string) =>
      Effect.sync(() => {
        turns.delete("first")
        turns.delete(what)
        if (firstTrouble === what) firstTrouble = undefined
      })

    const next = (event: ReplicationEvent, now: number): Effect.Effect<unknown> => {
      switch (event._tag) {
        case "Trouble": {
          const { cause, message, phase, subject } = event
          if (phase === "Lasts" || harmless.has(subject._tag)) return Effect.void
          // While another instance owns the status key, no attempt is made that could fail.
          if (cause === "StatusInUse") return waitForTurn(subject._tag, EventText.lasting(event), now)
          return cause === "SourceUnreadable"
            ? Deferred.fail(denied, new Hopeless({ problem: message }))
            : failed(event, now)
        }
        case "TroubleOver":
          return over(event.subject._tag)
        case "StandingBy":
          return waitForTurn("lock", EventText.standingBy(event), now)
        case "Leading":
        case "ComparisonBegan":
          return over("lock")
        case "AgentAnswered":
          return over("first")
        default:
          return Effect.void
      }
    }

    /** Fails when a wait for a turn has lasted too long. No attempt is made during that wait, so no event would end it. */
    const turnTooLong = Effect.gen(function* () {
      for (;;) {
        const now = yield* Monotonic.now
        const [turn] = turns.values()
        // A wait that begins during the sleep ends after it.
        const left = turn === undefined ? limit : turn.since + limit - now
        if (turn !== undefined && left <= 0) return yield* new TimedOut({ timeout, option, what: turn.what })
        yield* Effect.sleep(Duration.millis(Math.max(left, 1)))
      }
    })

    return {
      consumer: {
        consume: (event) => Effect.flatMap(Monotonic.now, (now) => Effect.asVoid(next(event, now)))
      },
      exhausted: Effect.raceFirst(Deferred.await(gaveUp), turnTooLong),
      denied: Deferred.await(denied)
    }
  })
