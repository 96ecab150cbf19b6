/**
 * What the check of the leader's service shows: what the last pass left to do, since when the destination is behind the
 * source, and the silence of the source, which lasts beside it.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Health, Leadership } from "../../LeaderLock.js"

export interface LeaderReport {
  /** The leader, whose reports do not hide that the source is silent. `passing` says that both sides are equal. */
  readonly leader: Leadership
  /** Shows that the source is silent until the next call says otherwise. */
  readonly silence: (isSilent: boolean) => Effect.Effect<void>
}

/** The output changes with the state only: it tells the lag by the time at which the destination fell behind. */
const behind = (output: string, since: DateTime.Utc): string =>
  `${output}; behind since ${DateTime.formatIso(since)}`

/** `first` is shown until something else is reported, and says nothing of whether both sides are equal. */
export const make = (leadership: Leadership, first: Health, silence: string): Effect.Effect<LeaderReport> =>
  Effect.gen(function* () {
    let reported = first
    let behindSince: DateTime.Utc | undefined = yield* DateTime.now
    let isSilent = false
    const show = Effect.suspend(() => {
      const status = isSilent ? "warning" : reported.status
      const output = behindSince === undefined ? reported.output : behind(reported.output, behindSince)
      if (!isSilent) return leadership.report({ status, output })
      // The silence says enough where all was well before.
      return leadership.report({
        status,
        output: reported.status === "passing" ? silence : `${silence}; ${output}`
      })
    })
    yield* show
    return {
      leader: {
        ...leadership,
        report: (health) =>
          Effect.flatMap(DateTime.now, (now) => {
            reported = health
            behindSince = health.status === "passing" ? undefined : (behindSince ?? now)
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
