/**
 * Something that can be in trouble for a while, and that is said once when trouble begins, changes its kind and
 * ends, however often it is tried in between.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"

export interface Condition {
  /** `kind` tells two troubles apart; the message of the first of a kind is said. */
  readonly trouble: (kind: string, message: string) => Effect.Effect<void>
  readonly fine: Effect.Effect<void>
}

export const make = (recovered: string): Effect.Effect<Condition> =>
  Effect.map(Ref.make<string | undefined>(undefined), (said) => ({
    trouble: (kind, message) =>
      Effect.flatMap(Ref.getAndSet(said, kind), (before) =>
        before === kind ? Effect.void : Effect.logWarning(message)
      ),
    fine: Effect.flatMap(Ref.getAndSet(said, undefined), (before) =>
      before === undefined ? Effect.void : Effect.logInfo(recovered)
    )
  }))

/** Says the trouble of a failure by its tag, and its end at the next success. */
export const watch =
  (condition: Condition, what: string) =>
  <A, E extends { readonly _tag: string; readonly message: string }, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.tapError((error) => condition.trouble(error._tag, `${what}: ${error.message}`)),
      Effect.zipLeft(condition.fine)
    )
