/**
 * Waits after a change until the source has been quiet for a while, and then emits all changes as one batch. A source that
 * changes many times within a moment is replicated once.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as KeyRange from "../../KeyRange.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Batch from "./Batch.js"

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

/** When changes are due, the first of which came at `first` and the latest at `latest` (all ms of `Monotonic.now`). */
export const dueAt = ({ max, min }: Wait, first: number, latest: number): number =>
  Math.min(latest + Duration.toMillis(min), first + Duration.toMillis(max))

/** Makes a function that remembers the index of each range, and returns whether events show a change. */
const changes = () => {
  const indexes = new Map<string, number>()
  return (events: Batch.Batch): boolean => {
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

/** The state of a wait for quiet. */
interface Gathering<E> {
  readonly wait: Wait
  /** Keeps the pull of a batch. */
  readonly scope: Scope.Scope
  /** Pulls the next batch of the watch. */
  readonly pull: Effect.Effect<Batch.Batch, E>
  /** The pull of the next batch. The batch is not lost when a fiber that waits for it is interrupted. */
  readonly pulling: Ref.Ref<Fiber.RuntimeFiber<Batch.Batch, E>>
  /** Whether events show a change. */
  readonly showChange: (events: Batch.Batch) => boolean
}

/** The batch that was pulled. Begins to pull the next one. */
const batchOf = <E>(
  { pull, pulling, scope }: Gathering<E>,
  exit: Exit.Exit<Batch.Batch, E>
): Effect.Effect<Batch.Batch, E> =>
  Effect.zipLeft(
    exit,
    Effect.flatMap(Effect.forkIn(pull, scope), (fiber) => Ref.set(pulling, fiber))
  )

/** Waits for the next batch, and after a change for further batches until the change is due. */
const next = Effect.fnUntraced(function* <E>(gathering: Gathering<E>) {
  const { pulling, showChange, wait } = gathering
  const pulled = Effect.flatMap(Ref.get(pulling), Fiber.await)
  let gathered = yield* Effect.flatMap(pulled, (exit) => batchOf(gathering, exit))
  if (!showChange(gathered)) return gathered
  const first = yield* Monotonic.now
  let latest = first
  for (;;) {
    const left = Math.ceil(dueAt(wait, first, latest) - (yield* Monotonic.now))
    if (left <= 0) return gathered
    const exit = yield* Effect.timeoutOption(pulled, Duration.millis(left))
    if (Option.isNone(exit)) return gathered
    const later = yield* batchOf(gathering, exit.value)
    if (showChange(later)) latest = yield* Monotonic.now
    gathered = Batch.merge(gathered, later)
  }
})

/**
 * The batches of a watch, each emitted when it is due. A batch without a change is emitted at once. The next batch is pulled
 * while the consumer still processes the one before.
 */
export const gather =
  (wait: Wait) =>
  <E>(batches: Stream.Stream<Batch.Batch, E>): Stream.Stream<Batch.Batch, E> =>
    Duration.isZero(wait.min)
      ? batches
      : Stream.unwrapScoped(
          Effect.gen(function* () {
            const scope = yield* Effect.scope
            const pull = yield* Batch.pull(batches)
            const pulling = yield* Ref.make(yield* Effect.forkIn(pull, scope))
            const gathering = { wait, scope, pull, pulling, showChange: changes() }
            return Stream.repeatEffect(next(gathering))
          })
        )
