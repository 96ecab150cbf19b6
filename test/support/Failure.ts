/** Failures as plain values. An error may be a proxy, which a failing expectation would print without end. */
import * as Effect from "effect/Effect"

interface Failure {
  readonly _tag: string
  readonly message: string
}

export const failureOf = <A, E extends Failure, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Failure, A, R> =>
  Effect.map(Effect.flip(effect), (error) => ({ ...error, _tag: error._tag, message: error.message }))
