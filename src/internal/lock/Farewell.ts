/**
 * Requests that an instance sends when it leaves.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { emit } from "../report/EventSink.js"

/**
 * An instance that leaves does not wait long for Consul: without an answer, the session ends by itself with the check. At most
 * five farewells follow one another: of a registration in flight, the last transaction, of the session, and two of the
 * service.
 */
const timeout = Duration.seconds(1.5)

/** Sends a request, and waits for at most `limit`. A failure is emitted, and ignored. */
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
 * fiber that is interrupted while it runs one of them goes on afterwards, and an instance that is to stop would stand again.
 */
export const whenDone = (finalizer: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, finalizer))

/** The time limit of the last transaction of a leader. The next leader waits for it. */
const lastTimeout = Duration.seconds(1)

/** Sends the last transaction of a leader, and once more after a conflict: an earlier transaction may have landed just now. */
export const lastTransaction = (transaction: Effect.Effect<unknown, ConsulError>): Effect.Effect<void> =>
  farewell(Effect.retry(transaction, { times: 1, while: ({ _tag }) => _tag === "Conflict" }), lastTimeout)
