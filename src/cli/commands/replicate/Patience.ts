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

export interface Options {
  /** How long one wait may last. */
  readonly timeout: Duration.Duration
  /** The option that sets `timeout`, with its dash. `-timeout` unless given. */
  readonly option?: string
  /** The waits that count. */
  readonly kinds: ReadonlySet<Kind>
  /** The wait for the first answer, for a person. */
  readonly first: string
}

/** The state of one patience. Times are ms, monotonic. */
interface State extends Required<Omit<Options, "first">> {
  /** Failed when trouble has lasted too long. */
  readonly gaveUp: Deferred.Deferred<never, TimedOut>
  /** Failed when the token lacks a right. */
  readonly denied: Deferred.Deferred<never, Hopeless>
  /** When the wait for the first answer began. */
  readonly startedAt: number
  /** Before this time, trouble does not count. */
  countedFrom: number
  /** The subject that was in trouble before anything had answered. */
  firstTrouble: string | undefined
  /** The waits for a turn, by the subject whose turn it is; `first` until anything has answered or failed. */
  readonly turns: Map<string, Turn>
}

const timedOut = ({ option, timeout }: State, what: string): TimedOut =>
  new TimedOut({ timeout, option, what })

const fail = (state: State, event: Trouble, now: number): Effect.Effect<unknown> =>
  Effect.suspend(() => {
    const { gaveUp, kinds, startedAt, timeout, turns } = state
    const subject = event.subject._tag
    if (turns.delete("first")) state.firstTrouble = subject
    turns.delete(subject)
    if (!kinds.has("Trouble")) return Effect.void
    const since = subject === state.firstTrouble ? startedAt : now - event.failingFor
    return now - Math.max(since, state.countedFrom) >= Duration.toMillis(timeout)
      ? Deferred.fail(gaveUp, timedOut(state, EventText.lasting(event)))
      : Effect.void
  })

const waitForTurn = (state: State, subject: string, what: string, now: number): Effect.Effect<void> =>
  Effect.sync(() => {
    const { kinds, turns } = state
    const since = (turns.get(subject) ?? turns.get("first"))?.since ?? now
    turns.delete("first")
    // An instance that stands by waits for nothing else: trouble of an earlier attempt to lead does not count any more.
    state.countedFrom = now
    state.firstTrouble = undefined
    if (kinds.has("Turn")) turns.set(subject, { since, what })
  })

/** Ends the waits for a subject, and the wait for the first answer. */
const endWait = (state: State, subject: string): Effect.Effect<void> =>
  Effect.sync(() => {
    state.turns.delete("first")
    state.turns.delete(subject)
    if (state.firstTrouble === subject) state.firstTrouble = undefined
  })

const consume = (state: State, event: ReplicationEvent, now: number): Effect.Effect<unknown> => {
  switch (event._tag) {
    case "Trouble": {
      const { cause, message, phase, subject } = event
      if (phase === "Lasts" || harmless.has(subject._tag)) return Effect.void
      // While another instance owns the status key, no attempt is made that could fail.
      if (cause === "StatusInUse") return waitForTurn(state, subject._tag, EventText.lasting(event), now)
      return cause === "SourceUnreadable"
        ? Deferred.fail(state.denied, new Hopeless({ problem: message }))
        : fail(state, event, now)
    }
    case "TroubleOver":
      return endWait(state, event.subject._tag)
    case "StandingBy":
      return waitForTurn(state, "lock", EventText.standingBy(event), now)
    case "Leading":
    case "ComparisonBegan":
      return endWait(state, "lock")
    case "AgentAnswered":
      return endWait(state, "first")
    default:
      return Effect.void
  }
}

/** Fails when a wait for a turn has lasted too long. No attempt is made during that wait, so no event would end it. */
const turnTooLong = (state: State): Effect.Effect<never, TimedOut> =>
  Effect.gen(function* () {
    const limit = Duration.toMillis(state.timeout)
    for (;;) {
      const now = yield* Monotonic.now
      const [turn] = state.turns.values()
      // A wait that begins during the sleep ends after it.
      const left = turn === undefined ? limit : turn.since + limit - now
      if (turn !== undefined && left <= 0) return yield* timedOut(state, turn.what)
      yield* Effect.sleep(Duration.millis(Math.max(left, 1)))
    }
  })

/**
 * Trouble has lasted too long only if an attempt fails after `timeout`: replication may make no further attempt of that kind, and
 * then the trouble does not count.
 */
export const make = ({ first, kinds, option = "-timeout", timeout }: Options): Effect.Effect<Patience> =>
  Effect.gen(function* () {
    const startedAt = yield* Monotonic.now
    const state: State = {
      timeout,
      option,
      kinds,
      gaveUp: yield* Deferred.make<never, TimedOut>(),
      denied: yield* Deferred.make<never, Hopeless>(),
      startedAt,
      countedFrom: startedAt,
      firstTrouble: undefined,
      turns: new Map([["first", { since: startedAt, what: first }]])
    }
    return {
      consumer: {
        consume: (event) => Effect.flatMap(Monotonic.now, (now) => Effect.asVoid(consume(state, event, now)))
      },
      exhausted: Effect.raceFirst(Deferred.await(state.gaveUp), turnTooLong(state)),
      denied: Deferred.await(state.denied)
    }
  })
