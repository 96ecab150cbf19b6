/**
 * Asks the source now and then while a watch asks nothing, because its consumer is busy: without an answer the source would count
 * as silent.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Liveness } from "./Liveness.js"
import { current, type SourceReader } from "./SourceReader.js"

/**
 * After this time without an answer about a shard, one request asks whether the source answers at all. Consul lengthens a wait of
 * a minute to up to 64 s: at rest no such request is sent.
 */
const pulseAfter = Duration.seconds(80)

/** The time between two looks for shards without an answer. */
const pulseInterval = Duration.seconds(15)

/** Asks whether there are keys while the source is silent about any topic for longer than a blocking query waits. */
export const keep = (
  source: SourceReader,
  prefix: string,
  { hearIdle, silence }: Liveness
): Effect.Effect<unknown> =>
  Effect.flatMap(silence, (silence) =>
    Duration.lessThan(silence, pulseAfter)
      ? Effect.void
      : Effect.ignore(Effect.zipRight(source.moved(prefix, { ...current, separator: "/" }), hearIdle))
  ).pipe(Effect.repeat(Schedule.spaced(pulseInterval)))
