/**
 * Requests that an instance sends when it leaves.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { emit } from "../report/EventSink.js"

/**
 * Leaving must not wait for a Consul that is away: the session then ends by itself with the check. There are at
 * most five farewells one after another: to a registration in flight, the last transaction, to the session, and twice to
 * the service.
 */
const timeout = Duration.seconds(1.5)

/** Neither fails nor waits for longer than `limit`. */
export const farewell = <A>(request: Effect.Effect<A, ConsulError>, limit = timeout): Effect.Effect<void> =>
  request.pipe(
    // Finalizers are uninterruptible, and a time-out interrupts.
    Effect.interruptible,
    Effect.timeout(limit),
    Effect.catchAll(({ _tag, message }) =>
      emit({ _tag: "RequestFailed", purpose: "leaving", cause: _tag, message })
    ),
    Effect.asVoid
  )

/**
 * `Effect.addFinalizer`, except for interruption (effect 3.22): if a scope has several finalizers of `Effect.addFinalizer`, a
 * fiber that is interrupted while it runs one of them goes on afterwards, and an instance told to stop would stand again.
 */
export const whenDone = (finalizer: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, finalizer))

/** For the last transaction of a leader. The next leader waits for it. */
const lastTimeout = Duration.seconds(1)

/** The last transaction of a leader, made once more after a conflict: what was in flight may have landed just now. */
export const lastTransaction = (transaction: Effect.Effect<unknown, ConsulError>): Effect.Effect<void> =>
  farewell(Effect.retry(transaction, { times: 1, while: ({ _tag }) => _tag === "Conflict" }), lastTimeout)
