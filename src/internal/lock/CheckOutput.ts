/** The output that a health check is to have, and the one that the agent was last sent. */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { Health } from "./Health.js"

export interface CheckOutput {
  /** Requests a health. The agent is sent it as soon as that does no harm. */
  readonly request: (health: Health) => Effect.Effect<void>
  /** The latest health that was requested. */
  readonly requested: Effect.Effect<Health>
  /** Open while the requested health differs from the reported one. */
  readonly changed: Effect.Latch
  /** Sets the health that heartbeats send from now on. */
  readonly markReported: (health: Health) => Effect.Effect<void>
  /** The health that heartbeats send. */
  readonly reported: Effect.Effect<Health>
}

const isSame = (one: Health, other: Health): boolean =>
  one.status === other.status && one.output === other.output

export const make = Effect.fnUntraced(function* (first: Health): Effect.fn.Return<CheckOutput> {
  const requested = yield* Ref.make(first)
  const reported = yield* Ref.make(first)
  const changed = yield* Effect.makeLatch()
  const compare = Effect.flatMap(Effect.all([Ref.get(requested), Ref.get(reported)]), ([one, other]) =>
    isSame(one, other) ? changed.close : changed.open
  )
  return {
    request: (health) => Effect.zipRight(Ref.set(requested, health), compare),
    requested: Ref.get(requested),
    changed,
    markReported: (health) => Effect.zipRight(Ref.set(reported, health), compare),
    reported: Ref.get(reported)
  }
})
