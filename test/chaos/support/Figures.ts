/**
 * The measurements of the tests of the chaos suite, a line each, for a report.
 */
import * as Effect from "effect/Effect"
import type { TestContext } from "vitest"
import type {} from "./FiguresReporter.js"

/** Adds a line to those of the test. */
export const figure = ({ task }: TestContext, line: string): Effect.Effect<void> =>
  Effect.sync(() => {
    task.meta.figures = [...(task.meta.figures ?? []), line]
  })

/** `120, 130 and 95 ms`. */
export const millis = (all: ReadonlyArray<number>): string => {
  const rounded = all.map(Math.round)
  return `${[rounded.slice(0, -1).join(", "), rounded.at(-1)].filter((part) => part !== "").join(" and ")} ms`
}
