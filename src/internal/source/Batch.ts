/**
 * Events of a watch that are processed as one.
 */
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as KeyRange from "../../KeyRange.js"
import type { WatchEvent } from "./WatchEvent.js"

/** In the order in which they were emitted. */
export type Batch = Arr.NonEmptyReadonlyArray<WatchEvent>

/** Whether two events are of the same range, or both a `CaughtUp`. */
const isSameKind = (one: WatchEvent, other: WatchEvent): boolean =>
  one._tag === "Snapshot"
    ? other._tag === "Snapshot" && KeyRange.equals(one.range, other.range)
    : other._tag === "CaughtUp"

/** The later of two events of the same kind, with the marks of both. */
const replace = (later: WatchEvent, earlier: WatchEvent): WatchEvent => {
  if (later._tag === "CaughtUp") {
    return earlier._tag === "CaughtUp" && earlier.layoutChanged ? { ...later, layoutChanged: true } : later
  }
  return earlier._tag === "Snapshot" && earlier.restarted ? { ...later, restarted: true } : later
}

/** All events, without those that a later event of the same kind replaces. So a batch never has much more than all keys. */
export const merge = (earlier: Batch, later: Batch): Batch => {
  const merged: Array<WatchEvent> = [...earlier]
  for (const event of later) {
    const at = merged.findIndex((one) => isSameKind(one, event))
    const before = at < 0 ? undefined : merged[at]
    if (at >= 0) merged.splice(at, 1)
    merged.push(before === undefined ? event : replace(event, before))
  }
  return Arr.isNonEmptyReadonlyArray(merged) ? merged : later
}

/** The next batch of a watch: all events that were emitted since the last one was pulled. A watch does not end. */
export const pull = <E>(
  batches: Stream.Stream<Batch, E>
): Effect.Effect<Effect.Effect<Batch, E>, never, Scope.Scope> =>
  Effect.map(Stream.toPull(batches), (nextChunk) => {
    const next: Effect.Effect<Batch, E> = nextChunk.pipe(
      Effect.catchAll(
        Option.match({ onNone: () => Effect.dieMessage("the watch has ended"), onSome: Effect.fail<E> })
      ),
      Effect.flatMap((chunk) => {
        const [first, ...others] = Chunk.toReadonlyArray(chunk)
        return first === undefined ? next : Effect.succeed(others.reduce(merge, first))
      })
    )
    return next
  })
