/**
 * Sends requests no faster than a Consul allows that limits their rate (429, or 503 with "rate limit exceeded").
 *
 * A request that was refused for its rate changed nothing, so the same one is sent again. Meanwhile requests leave one by one:
 * the pause between two of them grows by half with each refusal and shrinks by a twentieth with each success, so that it
 * settles at the rate that the server allows, and ends soon after the server allows more. No request is sent before the time in
 * the `Retry-After` of a refusal. While no request is refused, the throttle costs nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ConsulError, RateLimited } from "../../ConsulError.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Trouble from "../report/Trouble.js"
import type { Consul } from "./Consul.js"
import * as RequestTimes from "./RequestTimes.js"

/**
 * Attempts to read the destination before the whole pass fails. An address with several servers behind it, one of which is away,
 * refuses some connections: without these attempts a pass of many reads would never end. After 2 s there are no more attempts.
 */
const retryRead = RequestTimes.reconnect.pipe(Schedule.upTo("2 seconds"))

export interface Throttle {
  /** Sends the request when it is its turn, and again until its rate is not refused. */
  readonly send: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** The pause between two requests after the first refusal: ms. */
const firstPause = 50

/** The longest pause between two requests, unless the server asks for a longer one: ms. */
const longestPause = 5_000

/** A shorter pause becomes 0: ms. */
const shortestPause = 10

/** The longest `Retry-After` that is obeyed. A longer one is a mistake of the server. */
const longestRetryAfter = Duration.minutes(5)

/** The state of a throttle. */
interface State {
  /** Requests leave one by one while their rate is limited. */
  readonly turn: Effect.Semaphore
  /** Reported while the rate is limited. */
  readonly trouble: Trouble.Trouble
  /** The pause between two requests: ms. 0: no limit. */
  pause: number
  /** When the next request may leave: ms, monotonic. */
  next: number
  /** Number of times that the pause has grown. */
  slowdowns: number
}

/** `slowdownsBefore`: `slowdowns` when the refused request was sent. */
const slowDown = Effect.fnUntraced(function* (
  state: State,
  slowdownsBefore: number,
  { message, retryAfter }: RateLimited
): Effect.fn.Return<void> {
  const now = yield* Monotonic.now
  // A request that was sent before the last slowdown shows nothing about the present pause.
  if (slowdownsBefore === state.slowdowns) {
    state.pause = Math.min(longestPause, Math.max(firstPause, state.pause * 1.5))
    state.slowdowns += 1
  }
  const jittered = state.pause * (yield* Random.nextRange(1, 1.2))
  const asked = Duration.toMillis(Duration.min(retryAfter ?? Duration.zero, longestRetryAfter))
  state.next = Math.max(state.next, now + Math.max(jittered, asked))
  yield* state.trouble.report("limited", { cause: "RateLimited", message })
})

const speedUp = (state: State): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { pause, trouble } = state
    state.pause = pause < shortestPause ? 0 : pause * 0.95
    return state.pause === 0 ? trouble.resolve : Effect.void
  })

const awaitTurn = (state: State): Effect.Effect<void> =>
  state.turn.withPermits(1)(
    Effect.gen(function* () {
      for (;;) {
        const now = yield* Monotonic.now
        if (now >= state.next) {
          state.next = now + state.pause
          return
        }
        yield* Effect.sleep(Duration.millis(Math.ceil(state.next - now)))
      }
    })
  )

/** Sends a request when it is its turn, and slows down if the request is refused for the rate. */
const sendSlowly = <A, E, R>(state: State, request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.zipRight(awaitTurn(state), sendNow(state, request))

const sendNow = <A, E, R>(state: State, request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const slowdownsBefore = state.slowdowns
    return Effect.matchEffect(request, {
      onFailure: (error) =>
        error instanceof RateLimited
          ? Effect.zipRight(slowDown(state, slowdownsBefore, error), sendSlowly(state, request))
          : Effect.fail(error),
      onSuccess: (answer) => (state.pause === 0 ? Effect.succeed(answer) : Effect.as(speedUp(state), answer))
    })
  })

/** `requests` names the requests in events. */
export const make = Effect.fnUntraced(function* (
  requests: "reads" | "writes"
): Effect.fn.Return<Throttle, never, Scope.Scope> {
  const state: State = {
    turn: yield* Effect.makeSemaphore(1),
    trouble: yield* Trouble.make({ _tag: "Rate", requests }),
    pause: 0,
    next: 0,
    slowdowns: 0
  }
  return {
    send: (request) =>
      Effect.suspend(() => (state.pause === 0 ? sendNow(state, request) : sendSlowly(state, request)))
  }
})

/** A read, sent when it is its turn, and again for a while if the agent is not reached. */
export const read =
  ({ send }: Throttle) =>
  <A, R>(request: Effect.Effect<A, ConsulError, R>): Effect.Effect<A, ConsulError, R> =>
    Effect.retry(send(request), {
      schedule: retryRead,
      while: ({ _tag }) => _tag === "Unreachable"
    })

/** Reads of keys; see {@link read}. */
export const reading = (
  { kv }: Consul,
  throttle: Throttle
): Pick<Consul["kv"], "entry" | "isNameable" | "keys" | "list" | "moved"> => {
  const send = read(throttle)
  return {
    entry: (...request) => send(kv.entry(...request)),
    keys: (...request) => send(kv.keys(...request)),
    isNameable: kv.isNameable,
    list: (...request) => send(kv.list(...request)),
    moved: (...request) => send(kv.moved(...request))
  }
}
