/**
 * What the check of the leader's service shows: what the last pass left to do, and the silence of the source, which lasts
 * beside it.
 */
import * as Effect from "effect/Effect"
import type { Health, Leadership } from "../LeaderLock.js"

export interface LeaderReport {
  /** The leader, whose reports do not hide that the source is silent. */
  readonly leader: Leadership
  /** Shows that the source is silent until the next call says otherwise. */
  readonly silence: (isSilent: boolean) => Effect.Effect<void>
}

/** `silence` is shown first. What the last pass left is shown behind it unless all was well then. */
const combine = (silence: string, reported: Health): Health => ({
  status: "warning",
  output: reported.status === "passing" ? silence : `${silence}; ${reported.output}`
})

/** `first` is shown until something else is reported. */
export const make = (leadership: Leadership, first: Health, silence: string): Effect.Effect<LeaderReport> =>
  Effect.gen(function* () {
    let reported = first
    let isSilent = false
    const show = Effect.suspend(() => leadership.report(isSilent ? combine(silence, reported) : reported))
    yield* show
    return {
      leader: {
        ...leadership,
        report: (health) =>
          Effect.suspend(() => {
            reported = health
            return show
          })
      },
      silence: (now) =>
        Effect.suspend(() => {
          if (isSilent === now) return Effect.void
          isSilent = now
          return show
        })
    }
  })
