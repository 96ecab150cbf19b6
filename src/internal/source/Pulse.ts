/**
 * Whether the source answers while nobody asks it: a watch whose consumer is busy asks nothing, and that is not the source's
 * silence.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schedules from "../Schedules.js"
import type { Liveness } from "./Liveness.js"
import { current, type SourceReader } from "./SourceReader.js"

/** Asks whether there are keys, as soon as the source has been silent about any part for longer than a wait takes. */
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
