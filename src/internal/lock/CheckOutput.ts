/**
 * What the check of a service shows, and what it is to show as soon as that does no harm.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { Health } from "./Health.js"

export interface CheckOutput {
  readonly request: (health: Health) => Effect.Effect<void>
  readonly requested: Effect.Effect<Health>
  /** Open while something else is wanted than is told. */
  readonly changed: Effect.Latch
  readonly markReported: (health: Health) => Effect.Effect<void>
  readonly reported: Effect.Effect<Health>
}

const isSame = (one: Health, other: Health): boolean =>
  one.status === other.status && one.output === other.output

export const make = Effect.fnUntraced(function* (first: Health): Effect.fn.Return<CheckOutput> {
  const wanted = yield* Ref.make(first)
  const told = yield* Ref.make(first)
  const isNews = yield* Effect.makeLatch()
  const compare = Effect.flatMap(Effect.all([Ref.get(wanted), Ref.get(told)]), ([one, other]) =>
    isSame(one, other) ? isNews.close : isNews.open
  )
  return {
    request: (health) => Effect.zipRight(Ref.set(wanted, health), compare),
    requested: Ref.get(wanted),
    changed: isNews,
    markReported: (health) => Effect.zipRight(Ref.set(told, health), compare),
    reported: Ref.get(told)
  }
})
