/**
 * Progress on a terminal: one line, updated in place. A log line erases it. Without a terminal, progress is logged.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type Consumer, observing } from "../../internal/report/EventSink.js"
import * as EventText from "../../internal/report/EventText.js"
import * as ReplicationEvent from "../../ReplicationEvent.js"

const erase = "\r\x1b[K"

/** Between two drawings of a line, and before the first one: ms. */
const interval = 200

/** Whether a line can be drawn in place. */
export class CanRedraw extends Context.Reference<CanRedraw>()("consul-replicate/cli/CanRedraw", {
  defaultValue: () => false
}) {}

/** A consumer that draws with `write`. */
export const make = (write: (text: string) => void): Pick<Consumer, "consume"> => {
  /** When the comparison will have lasted long enough for the next drawing: ms. */
  let due = interval
  let isDrawn = false
  return {
    consume: (event) =>
      Effect.sync(() => {
        if (event._tag === "ComparisonProgressed") {
          if (event.elapsed < due) return
          due = event.elapsed + interval
          isDrawn = true
          write(erase + EventText.progress(event))
        } else if (event._tag === "ComparisonBegan" || event._tag === "ComparisonDone") {
          due = interval
          if (isDrawn) write(erase)
          isDrawn = false
        }
      })
  }
}

/** Draws the progress of an effect's comparisons, and does not log it, if a line can be drawn. */
export const drawn = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(CanRedraw, (canRedraw) =>
    canRedraw
      ? effect.pipe(
          observing(make((text) => process.stderr.write(text))),
          Effect.provide(ReplicationEvent.layerWithoutProgress)
        )
      : effect
  )
