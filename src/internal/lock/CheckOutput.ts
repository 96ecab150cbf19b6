/**
 * What the check of a service shows, and what it is to show as soon as that does no harm.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { Health } from "../../LeaderLock.js"

export interface Shown {
  readonly want: (health: Health) => Effect.Effect<void>
  readonly wanted: Effect.Effect<Health>
  /** Open while something else is wanted than is told. */
  readonly isNews: Effect.Latch
  readonly handOn: (health: Health) => Effect.Effect<void>
  readonly told: Effect.Effect<Health>
}

const isSame = (one: Health, other: Health): boolean =>
  one.status === other.status && one.output === other.output

export const make = Effect.fnUntraced(function* (first: Health): Effect.fn.Return<Shown> {
  const wanted = yield* Ref.make(first)
  const told = yield* Ref.make(first)
  const isNews = yield* Effect.makeLatch()
  const compare = Effect.flatMap(Effect.all([Ref.get(wanted), Ref.get(told)]), ([one, other]) =>
    isSame(one, other) ? isNews.close : isNews.open
  )
  return {
    want: (health) => Effect.zipRight(Ref.set(wanted, health), compare),
    wanted: Ref.get(wanted),
    isNews,
    handOn: (health) => Effect.zipRight(Ref.set(told, health), compare),
    told: Ref.get(told)
  }
})
