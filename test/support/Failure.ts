/** Failures as plain values: the errors themselves may be proxies, of which a failing expectation prints no end. */

import type { YieldableError } from "effect/Cause"
import * as Effect from "effect/Effect"

export const failureOf = <A, E extends YieldableError & { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Omit<E, keyof YieldableError> & { readonly message: string }, A, R> =>
  Effect.map(Effect.flip(effect), (error) => ({ ...error, _tag: error._tag, message: error.message }))
