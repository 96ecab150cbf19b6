/**
 * Asks the source now and then while a watch asks nothing, because its consumer is busy: without an answer the source would count
 * as silent.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schedules from "../Schedules.js"
import type { Liveness } from "./Liveness.js"
import { current, type SourceReader } from "./SourceReader.js"

/** Asks whether there are keys while the source is silent about any topic for longer than a blocking query waits. */
export const keep = (
  source: SourceReader,
  prefix: string,
  { hearIdle, silence }: Liveness
): Effect.Effect<unknown> =>
  Effect.flatMap(silence, (silence) =>
    Duration.lessThan(silence, Schedules.pulseAfter)
      ? Effect.void
      : Effect.ignore(Effect.zipRight(source.moved(prefix, { ...current, separator: "/" }), hearIdle))
  ).pipe(Effect.repeat(Schedule.spaced(Schedules.pulseInterval)))
