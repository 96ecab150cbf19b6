/**
 * Reports that the source is silent, and that it is heard again: by events and by the status.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { Route } from "../event/ReplicationEvent.js"
import type { Liveness } from "../source/Liveness.js"
import { emit } from "./EventSink.js"

/**
 * A source is silent after this time without an answer. A source in which nothing changes answers about once a minute.
 */
export const silenceLimit = Duration.minutes(2)

/** The time between two looks whether a silent source has answered. No request is sent. */
export const silencePoll = Duration.seconds(1)

export interface Options<E, R> {
  readonly replication: Route
  readonly liveness: Pick<Liveness, "silence">
  /** Whether the latest event said that the source is silent. */
  readonly isSilent: Ref.Ref<boolean>
  /** Writes into the status whether the source is silent. */
  readonly mark: (isSilent: boolean) => Effect.Effect<void, E, R>
}

/** Watches a source until it is interrupted. Waits for no pass: a pass that waits for the source is not writing. */
export const watch = Effect.fnUntraced(function* <E, R>({
  isSilent: reported,
  liveness,
  mark,
  replication
}: Options<E, R>) {
  let isMarked = false
  for (;;) {
    const left = Duration.subtract(silenceLimit, yield* liveness.silence)
    const isSilent = Duration.isZero(left)
    if ((yield* Ref.getAndSet(reported, isSilent)) !== isSilent) {
      const limit = Duration.toMillis(silenceLimit)
      yield* emit(
        isSilent ? { _tag: "SourceSilent", replication, limit } : { _tag: "SourceHeard", replication }
      )
    }
    if (isSilent !== isMarked) {
      yield* mark(isSilent)
      isMarked = isSilent
    }
    yield* Effect.sleep(isSilent ? silencePoll : Duration.millis(Math.ceil(Duration.toMillis(left))))
  }
})
