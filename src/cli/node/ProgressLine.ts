/**
 * Progress on a terminal: one line, updated in place. What is logged meanwhile takes its place.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Progress from "../../Progress.js"

const erase = "\r\x1b[K"

const write = (text: string) => Effect.sync(() => void process.stderr.write(text))

export const layer: Layer.Layer<Progress.ProgressReporter> = Layer.succeed(Progress.ProgressReporter, {
  every: Duration.millis(200),
  report: (progress) => write(erase + Progress.format(progress)),
  done: write(erase)
})
