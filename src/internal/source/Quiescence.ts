/**
 * Waits after a change until the source has been quiet for a while, and then emits all changes as one batch. A source that
 * changes many times within a moment is replicated once.
 */
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as KeyRange from "../../KeyRange.js"
import type { WatchEvent } from "../../WatchEvent.js"
import * as Monotonic from "../effect/Monotonic.js"

/** Changes are emitted when none has come for `min`, or `max` after the first of them. No wait if `min` is zero. */
export interface Wait {
  /** How long the source must be quiet. */
  readonly min: Duration.Duration
  /** The longest time from the first change of a batch. */
  readonly max: Duration.Duration
}

/** `max` is four times `min` unless given, as in the Go tool. */
export const fromOptions = ({
  max,
  min
}: {
  readonly min: Duration.Duration
  readonly max?: Duration.Duration | undefined
}): Wait => ({
  min,
  max: max ?? Duration.times(min, 4)
})

/** The problem of a wait that cannot be used. */
export const problemOf = ({ max, min }: Wait): string | undefined =>
  Duration.isFinite(max) && Duration.lessThanOrEqualTo(min, max)
    ? undefined
    : "the longest wait is not shorter than the shortest, and not endless"

type Events = Arr.NonEmptyReadonlyArray<WatchEvent>

/** When changes are due, the first of which came at `first` and the latest at `latest` (all ms of `Monotonic.now`). */
export const dueAt = ({ max, min }: Wait, first: number, latest: number): number =>
  Math.min(latest + Duration.toMillis(min), first + Duration.toMillis(max))

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
export const merge = (earlier: Events, later: Events): Events => {
  const merged: Array<WatchEvent> = [...earlier]
  for (const event of later) {
    const at = merged.findIndex((one) => isSameKind(one, event))
    const before = at < 0 ? undefined : merged[at]
    if (at >= 0) merged.splice(at, 1)
    merged.push(before === undefined ? event : replace(event, before))
  }
  return Arr.isNonEmptyReadonlyArray(merged) ? merged : later
}

/** Makes a function that remembers the index of each range, and returns whether events show a change. */
const changes = () => {
  const indexes = new Map<string, number>()
  return (events: Events): boolean => {
    let isChanged = false
    for (const event of events) {
      if (event._tag === "CaughtUp") continue
      const id = KeyRange.id(event.range)
      if (event.restarted || indexes.get(id) !== event.index) isChanged = true
      indexes.set(id, event.index)
    }
    return isChanged
  }
}

/**
 * The batches of a watch, each emitted when it is due. A batch without a change is emitted at once. So is every batch while
 * `isExempt`: a full comparison need not wait. The next batch is pulled while the consumer still processes the one before.
 */
export const gather =
  (wait: Wait, isExempt: Effect.Effect<boolean>) =>
  <E>(batches: Stream.Stream<Events, E>): Stream.Stream<Events, E> => {
    if (Duration.isZero(wait.min)) return batches
    return Stream.unwrapScoped(
      Effect.gen(function* () {
        const scope = yield* Effect.scope
        const pull = yield* Stream.toPull(batches)
        const showChange = changes()

        const batch: Effect.Effect<Events, Option.Option<E>> = Effect.flatMap(pull, (chunk) => {
          const [first, ...others] = Chunk.toReadonlyArray(chunk)
          return first === undefined ? batch : Effect.succeed(others.reduce(merge, first))
        })
        /** The next batch. It is not lost when a fiber that waits for it is interrupted. */
        let pulling = yield* Effect.forkIn(batch, scope)

        /** The batch that was pulled. Begins to pull the next one. */
        const batchOf = (exit: Exit.Exit<Events, Option.Option<E>>) =>
          Effect.zipLeft(
            exit,
            Effect.map(Effect.forkIn(batch, scope), (fiber) => {
              pulling = fiber
            })
          )

        const next = Effect.gen(function* () {
          let gathered = yield* Effect.flatMap(Fiber.await(pulling), batchOf)
          if (!showChange(gathered) || (yield* isExempt)) return gathered
          const first = yield* Monotonic.now
          let latest = first
          for (;;) {
            const left = Math.ceil(dueAt(wait, first, latest) - (yield* Monotonic.now))
            if (left <= 0) return gathered
            const exit = yield* Effect.timeoutTo(Fiber.await(pulling), {
              duration: Duration.millis(left),
              onSuccess: (exit) => exit,
              onTimeout: () => undefined
            })
            if (exit === undefined) return gathered
            const later = yield* batchOf(exit)
            if (showChange(later)) latest = yield* Monotonic.now
            gathered = merge(gathered, later)
          }
        })
        return Stream.repeatEffectOption(next)
      })
    )
  }
