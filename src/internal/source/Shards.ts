/**
 * The shards of a layout while they are watched, each by a fiber of its own.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConsulError } from "../../ConsulError.js"
import * as KeyRange from "../../KeyRange.js"
import type * as BlockingQuery from "../consul/BlockingQuery.js"
import * as RangeVersion from "../consul/RangeVersion.js"
import * as FifoSemaphore from "../effect/FifoSemaphore.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as PartReader from "./PartReader.js"
import * as QueryPool from "./QueryPool.js"
import { follow, type Marks, noteRewound, type Options, type Running, type State } from "./Shard.js"
import type { Shard } from "./ShardLayout.js"
import { current, retrying } from "./SourceReader.js"

export interface Shards {
  /** Watches these shards and stops all others. A shard that is watched already goes on, unless it is too heavy. */
  readonly watch: (shards: ReadonlyArray<Shard>) => Effect.Effect<void>
  /** Waits until each shard has emitted the keys that it had when its watch began. */
  readonly awaitFirstRead: Effect.Effect<void>
  /**
   * Asks for the index of each shard, and waits for shards that have not emitted everything up to it. A shard that does not
   * follow is restarted.
   */
  readonly verify: Effect.Effect<void, ConsulError>
  /**
   * Reads ranges that no query watches, and emits a range if it has changed since its last read, as far back as `trust` says.
   * Fails with `AnswerTooLarge` if a range must be divided.
   */
  readonly pollUnwatched: (
    ranges: ReadonlyArray<KeyRange.KeyRange>,
    trust: PartReader.Trust
  ) => Effect.Effect<void, ConsulError>
  /**
   * Lets the queries of all shards block. Until then none does: Consul keeps a blocking query until its wait is over, and a
   * watch that ends after its first `CaughtUp` must leave none behind.
   */
  readonly startBlocking: Effect.Effect<void>
  /** Waits until a part of a shard must be divided. */
  readonly tooHeavy: Effect.Effect<void>
  /** Number of ranges that were emitted. */
  readonly activity: Effect.Effect<number>
  /** Whether a shard has restarted after `since`, because the source may have another history. */
  readonly restartedSince: (since: BlockingQuery.Cursor) => Effect.Effect<boolean>
  /** Whether the index of a shard has gone backwards after `since`: the source has another history. */
  readonly rewoundSince: (since: BlockingQuery.Cursor) => Effect.Effect<boolean>
  /** Fails when a shard does. */
  readonly failure: Effect.Effect<never, ConsulError>
  readonly reader: PartReader.PartReader
}

/** How many shards are verified at once, beside the reads: a change does not wait behind all of them. */
const verifiedAtOnce = 4

const idOf = ({ parts, range }: Shard): string =>
  JSON.stringify([KeyRange.id(range), ...(parts.length === 1 ? [] : parts.map(KeyRange.id))])

/**
 * Each shard has a scope, with its topic of the liveness and its fiber. The topic is added before the fiber begins. If the fiber
 * ends because a range must be divided, the topic stays until the next layout, so that the silence of the source about its keys
 * counts on. In a `FiberMap` (effect 3.22) the topic would end with the fiber: `test/effect/FiberCollections.test.ts` shows it.
 */
const start = (state: State, shard: Shard, silentSince?: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { failed, heavy, options, running } = state
    const scope = yield* Scope.fork(state.scope, ExecutionStrategy.parallel)
    const one: Running = {
      shard,
      scope,
      topic: yield* Scope.extend(options.liveness.topic(silentSince), scope),
      processed: yield* SubscriptionRef.make(Option.none<RangeVersion.RangeVersion>()),
      isAsking: false,
      isTooHeavy: false
    }
    running.set(idOf(shard), one)
    yield* Effect.flatMap(options.source, (source) => follow(state, one, source)).pipe(
      Effect.catchTag("AnswerTooLarge", () => {
        one.isTooHeavy = true
        return heavy.open
      }),
      Effect.catchAllCause((cause) => Deferred.failCause(failed, cause)),
      Scope.extend(scope),
      Effect.forkIn(scope)
    )
  })

const stop = ({ running }: State, id: string, { scope }: Running): Effect.Effect<void> =>
  // If this were interrupted, the scope would count as closed while its fiber goes on.
  Effect.zipRight(
    Effect.sync(() => running.delete(id)),
    Scope.close(scope, Exit.void)
  ).pipe(Effect.uninterruptible)

/** Whether a version that a shard has processed is the awaited one, or a later one. */
type IsReached = (processed: Option.Option<RangeVersion.RangeVersion>) => boolean

const hasReached = ({ processed }: Running, isReached: IsReached): Effect.Effect<boolean> =>
  Effect.map(SubscriptionRef.get(processed), isReached)

/** Looks before it waits: most shards have reached the version, and a stream for each of them would cost more than all requests. */
const awaitReached = (one: Running, isReached: IsReached) =>
  Effect.unlessEffect(
    one.processed.changes.pipe(Stream.filter(isReached), Stream.runHead),
    hasReached(one, isReached)
  )

const awaitFirstRead = ({ running }: State): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.forEach(running.values(), (one) => awaitReached(one, Option.isSome), { discard: true })
  )

/** Waits until a shard has emitted everything up to the present index of its range. Restarts a shard that does not follow. */
const verifyOne = (state: State, id: string, one: Running): Effect.Effect<void, ConsulError> =>
  Effect.gen(function* () {
    const { own, verifications } = state
    const { parts, range } = one.shard
    const before = yield* SubscriptionRef.get(one.processed)
    // The shard may have read parts after its own answer. Both indexes are from before the request.
    const highest = Option.match(before, {
      onNone: () => Number.NEGATIVE_INFINITY,
      onSome: (version) => Math.max(version.index, state.reader.highestIndex(parts))
    })
    const ask: Effect.Effect<RangeVersion.RangeVersion, ConsulError> = range.exact
      ? Effect.map(own.read(range, current), RangeVersion.ofEntries)
      : Effect.map(own.moved(range.prefix, current), RangeVersion.of)
    const { hasKeys, index } = yield* verifications(retrying(own)(ask))
    const isReached: IsReached = Option.exists(
      (version: RangeVersion.RangeVersion) =>
        version.index > index || (version.index === index && version.hasKeys === hasKeys)
    )
    const reaches = Effect.timeoutOption(awaitReached(one, isReached), QueryPool.shardTimeout)
    const isRewound = index < highest
    if (isRewound) yield* noteRewound(state)
    while (!isRewound) {
      if ((yield* hasReached(one, isReached)) || Option.isSome(yield* reaches)) {
        return yield* one.topic.asking(Effect.void)
      }
      if (one.isAsking) break
    }
    yield* stop(state, id, one)
    yield* start(state, one.shard, yield* one.topic.lastHeard)
  })

const watchShards = (state: State, shards: ReadonlyArray<Shard>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { heavy, options, running } = state
    yield* heavy.close
    const silentSince = yield* options.liveness.lastHeard
    const wanted = new Map(shards.map((shard) => [idOf(shard), shard]))
    for (const [id, one] of running) {
      if (!wanted.has(id) || one.isTooHeavy) yield* stop(state, id, one)
    }
    for (const [id, shard] of wanted) if (!running.has(id)) yield* start(state, shard, silentSince)
  })

const pollUnwatched = (
  { marks, own, reader, unwatched }: State,
  ranges: ReadonlyArray<KeyRange.KeyRange>,
  { notBefore, since }: PartReader.Trust
): Effect.Effect<void, ConsulError> =>
  Effect.suspend(() => {
    const trust = { since, notBefore: Math.max(notBefore, marks.restartedAt, marks.rewoundAt) }
    return Effect.forEach(ranges, reader.examine(own, unwatched, trust), {
      concurrency: "unbounded",
      discard: true
    })
  }).pipe(Effect.zipRight(unwatched.asking(Effect.void)))

const makeState = (options: Options): Effect.Effect<State, never, Scope.Scope> =>
  Effect.gen(function* () {
    const running = new Map<string, Running>()
    const marks: Marks = {
      activity: 0,
      rewoundAt: Number.NEGATIVE_INFINITY,
      restartedAt: Number.NEGATIVE_INFINITY
    }
    const reader = PartReader.make({
      weights: options.means.weights,
      listing: options.listing,
      emit: (read) =>
        Effect.suspend(() => {
          marks.activity += 1
          return options.emit(read)
        }),
      // A failure may have been a restart with older data. Without shards, the query for the names would show that itself.
      failed: Effect.map(Monotonic.now, (now) => {
        if (running.size > 0) marks.restartedAt = now
      })
    })
    return {
      options,
      scope: yield* Effect.scope,
      reader,
      own: yield* options.source,
      unwatched: yield* options.liveness.topic(),
      running,
      verifications: FifoSemaphore.make(verifiedAtOnce),
      failed: yield* Deferred.make<never, ConsulError>(),
      mayBlock: yield* Deferred.make<void>(),
      heavy: yield* Effect.makeLatch(false),
      startedAt: yield* Monotonic.now,
      marks
    }
  })

export const make = (options: Options): Effect.Effect<Shards, never, Scope.Scope> =>
  Effect.map(makeState(options), (state) => {
    const { failed, heavy, marks, mayBlock, reader, running } = state
    return {
      watch: (shards) => watchShards(state, shards),
      awaitFirstRead: awaitFirstRead(state),
      verify: Effect.suspend(() =>
        Effect.forEach([...running], ([id, one]) => verifyOne(state, id, one), {
          concurrency: "unbounded",
          discard: true
        })
      ).pipe(Effect.zipRight(awaitFirstRead(state))),
      pollUnwatched: (ranges, trust) => pollUnwatched(state, ranges, trust),
      startBlocking: Deferred.succeed(mayBlock, undefined),
      tooHeavy: heavy.await,
      activity: Effect.sync(() => marks.activity),
      restartedSince: ({ at }) => Effect.sync(() => at < marks.restartedAt),
      rewoundSince: ({ at }) => Effect.sync(() => at < marks.rewoundAt),
      failure: Deferred.await(failed),
      reader
    }
  })
