/**
 * Something that can be in trouble for a while, and that is said once when trouble begins, changes its kind and
 * ends, however often it is tried in between.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"

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

/**
 * Conditions that are one to whoever reads: trouble begins with the first of them that is in it, which speaks for all,
 * and ends with the last. One that is closed is in trouble no more.
 */
export const shared = (condition: Condition): Effect.Effect<Condition, never, Scope.Scope> => {
  const open = new Set<symbol>()
  const troubled = new Set<symbol>()
  return Effect.gen(function* () {
    const member = Symbol()
    open.add(member)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        open.delete(member)
        troubled.delete(member)
      })
    )
    return {
      trouble: (kind, message) =>
        Effect.suspend(() => {
          // What it left behind may still fail.
          if (open.has(member)) troubled.add(member)
          const [speaker] = troubled
          return speaker === member ? condition.trouble(kind, message) : Effect.void
        }),
      fine: Effect.suspend(() => {
        troubled.delete(member)
        return troubled.size === 0 ? condition.fine : Effect.void
      })
    }
  })
}

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
