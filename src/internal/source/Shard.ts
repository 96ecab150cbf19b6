/**
 * How one shard of a layout is watched, with a blocking query of its own.
 *
 * A shard of few light keys asks for its index, and reads all keys when the index has moved. While its keys go on changing, it
 * asks for all of them instead: each change comes with the answer. A shard of many or of heavy keys always asks for its index.
 * When that has moved, the shard compares the versions of its parts, and reads the parts that have changed.
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConsulError } from "../../ConsulError.js"
import type { Answer } from "../../ConsulHttp.js"
import * as KeyRange from "../../KeyRange.js"
import * as BlockingQuery from "../consul/BlockingQuery.js"
import * as RangeVersion from "../consul/RangeVersion.js"
import type * as FifoSemaphore from "../effect/FifoSemaphore.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Listing } from "./Listing.js"
import type { Liveness, Topic } from "./Liveness.js"
import * as PartReader from "./PartReader.js"
import type { Shard } from "./ShardLayout.js"
import { chain, current, type SourceReader } from "./SourceReader.js"
import type { WatchMeans } from "./WatchPlan.js"
import * as Weights from "./Weights.js"

/** A shard while it is watched. */
export interface Running {
  readonly shard: Shard
  /** Has the fiber and the topic. */
  readonly scope: Scope.CloseableScope
  readonly topic: Topic
  /** The version up to which the consumer has processed the keys of the shard; none before its first read. */
  readonly processed: SubscriptionRef.SubscriptionRef<Option.Option<RangeVersion.RangeVersion>>
  /** Whether it waits for Consul, and not for the consumer. */
  isAsking: boolean
  /** Whether it has ended, because a part of it must be divided. */
  isTooHeavy: boolean
}

/** The state that all shards of a watch share. */
export interface State {
  readonly options: Options
  /** The scope of the watch. */
  readonly scope: Scope.Scope
  readonly reader: PartReader.PartReader
  /** For requests about any shard that its own fiber does not send. */
  readonly own: SourceReader
  /** The ranges that no query watches. */
  readonly unwatched: Topic
  /** By an id that is made of the ranges of the shard. */
  readonly running: Map<string, Running>
  /** Permits to verify a shard. */
  readonly verifications: FifoSemaphore.FifoSemaphore
  /** Failed when a shard has failed. */
  readonly failed: Deferred.Deferred<never, ConsulError>
  /** Done when queries may block. */
  readonly mayBlock: Deferred.Deferred<void>
  /** Open when a shard is too heavy. */
  readonly heavy: Effect.Latch
  /** When the watch began (ms of `Monotonic.now`). */
  readonly startedAt: number
  readonly marks: Marks
}

/** Mutable: the fibers of all shards change it. Times are ms of `Monotonic.now`. */
export interface Marks {
  /** Number of ranges that were emitted. */
  activity: number
  /** When a shard last restarted with another history: a version from before that time proves nothing. */
  rewoundAt: number
  /** When any shard last restarted. After a restart all unwatched ranges are read again; there are few. */
  restartedAt: number
}

/** How many parts of a changed shard are examined at once: if all were, a part that has changed would wait behind all others. */
const examinedAtOnce = 4

/** Records that the source has another history: a version from before proves nothing, of any shard. */
export const noteRewound = ({ marks }: Pick<State, "marks">): Effect.Effect<void> =>
  Effect.map(Monotonic.now, (now) => {
    marks.rewoundAt = now
    marks.restartedAt = now
  })

export interface Options {
  /** Makes a reader for one fiber. */
  readonly source: Effect.Effect<SourceReader, never, Scope.Scope>
  readonly means: Pick<WatchMeans, "budget" | "limit" | "shards" | "weights">
  /** The names that answers are compared with. */
  readonly listing: Listing
  readonly liveness: Liveness
  readonly emit: (read: PartReader.RangeRead) => Effect.Effect<void>
}

/** The most bytes that a shard may have for one answer with all of its keys. */
const mostLight = ({ running }: Pick<State, "running">): number =>
  Weights.lightBytes(Math.max(1, running.size))

/**
 * How long the next query may block, as soon as queries may. The age of the watch counts from its beginning: a prefix that took
 * long to read is large, and the ends of many short waits would be a burden on its source.
 */
const nextWait = ({ mayBlock, options, startedAt }: State): Effect.Effect<Duration.Duration> =>
  Effect.gen(function* () {
    yield* Deferred.await(mayBlock)
    const age = Duration.millis(Math.round((yield* Monotonic.now) - startedAt))
    return yield* options.means.budget.wait(age)
  })

/** A blocking query. Uses the same query of a former watch if that is still in the pool. */
const blocking = <A>(
  { options }: State,
  kind: string,
  range: KeyRange.KeyRange,
  wait: BlockingQuery.Request,
  query: (wait: BlockingQuery.Request) => Effect.Effect<Answer<A>, ConsulError>
) => options.means.shards.ask({ kind, of: KeyRange.id(range) }, wait, query(wait))

/** How far the fiber of a shard has come. Mutable: the fiber changes its own. */
interface Progress {
  /** The cursor of the last answer. */
  from: BlockingQuery.Cursor
  /** The parts of the shard. Those that have changed last come first. */
  order: ReadonlyArray<KeyRange.KeyRange>
  /** Whether the last query for all keys had nothing new. True before the first one. */
  isQuiet: boolean
  /**
   * When a request of the chain last failed (ms of `Monotonic.now`); -Infinity before the first failure. The failure may have
   * been a restart with older data: a read from before that time proves nothing.
   */
  failedAt: number
}

/** The state of the fiber that watches one shard. */
interface Following {
  /** The state that all shards of the watch share. */
  readonly state: State
  /** The shard. */
  readonly one: Running
  /** For the requests of the fiber. */
  readonly source: SourceReader
  /** The chain of queries of the shard. */
  readonly links: BlockingQuery.Sequence
  readonly progress: Progress
}

/** An answer of the chain whose value is whether the range of the shard has keys. */
type Link = BlockingQuery.Answered<boolean>

const trustSince = ({ progress, state }: Following, since: number): PartReader.Trust => ({
  since,
  notBefore: Math.max(progress.failedAt, state.marks.rewoundAt)
})

const isProcessed = ({ processed }: Running, version: RangeVersion.RangeVersion): Effect.Effect<boolean> =>
  Effect.map(
    SubscriptionRef.get(processed),
    Option.exists((before) => RangeVersion.equals(before, version))
  )

/** Reads all keys of the range, whatever was read before. With a permit: the range may have become heavy. */
const lookNow = ({ one, source, state: { reader } }: Following) =>
  reader.reads(reader.look(source, PartReader.noTrust, one.shard.range))

type AskedAll = Effect.Effect<BlockingQuery.Raw<PartReader.Looked>, ConsulError>

/** Asks for the index of the range, and reads all keys if it has moved. */
const askQuiet = (following: Following, wait: BlockingQuery.Request): AskedAll =>
  Effect.gen(function* () {
    const { one, progress, source, state } = following
    const { range } = one.shard
    const answer = yield* blocking(state, "moved", range, wait, (wait) => source.moved(range.prefix, wait))
    progress.isQuiet = yield* isProcessed(one, RangeVersion.of(answer))
    if (!progress.isQuiet) return yield* lookNow(following)
    return { ...answer, value: { hasKeys: answer.value, unread: Option.none() } }
  })

/** Asks for all keys of the range. */
const askKeys = (following: Following, wait: BlockingQuery.Request): AskedAll =>
  Effect.gen(function* () {
    const { one, progress, source, state } = following
    const { options, reader } = state
    const { range } = one.shard
    const limit = { maxBytes: 1.25 * mostLight(state) }
    const answer = yield* blocking(state, "keys", range, wait, (wait) =>
      source.newer(range, { ...wait, ...limit })
    )
    const { value } = answer
    if (Option.isNone(value)) {
      progress.isQuiet = true
      const hasKeys = Option.exists(yield* SubscriptionRef.get(one.processed), ({ hasKeys }) => hasKeys)
      return { ...answer, value: { hasKeys, unread: value } }
    }
    const version = RangeVersion.ofEntries({ ...answer, value: value.value })
    const { hasKeys } = version
    progress.isQuiet = yield* isProcessed(one, version)
    if (progress.isQuiet) return { ...answer, value: { hasKeys, unread: Option.none() } }
    if (reader.isIncomplete(range, value.value)) return yield* lookNow(following)
    options.means.weights.note(range, value.value.entries.length, Weights.bytesOf(value.value))
    return { ...answer, value: { hasKeys, unread: value } }
  })

/**
 * Asks for all keys of the range. If the range has been quiet for a while, asks only for its index: an answer without a change
 * has all keys too, and is a load on both sides. The first change then waits for about 3 ms until it is read.
 */
const askAll = (following: Following, wait: BlockingQuery.Request): AskedAll =>
  Effect.suspend(() => {
    const { one, progress } = following
    const asks = progress.isQuiet && !one.shard.range.exact ? askQuiet : askKeys
    return asks(following, wait)
  }).pipe(Effect.catchTag("AnswerTooLarge", () => lookNow(following)))

/** Asks for all keys, and emits them if they have changed. */
const readAll = (following: Following, wait: Duration.Duration): Effect.Effect<Link, ConsulError> =>
  Effect.gen(function* () {
    const { links, one, progress, source, state } = following
    const { reader } = state
    const { range } = one.shard
    const { from } = progress
    const link = yield* one.topic.asking(
      links.ask(from, wait, (wait) =>
        BlockingQuery.isNow(wait)
          ? reader.look(source, trustSince(following, from.at), range)
          : askAll(following, wait)
      )
    )
    one.isAsking = false
    const { hasKeys, unread } = link.value
    if (Option.isSome(unread)) yield* reader.emitRange({ ...unread.value, range, index: link.index })
    return { ...link, value: hasKeys }
  })

/** Emits the parts that have changed since the last answer; after an answer to a query without an index, since any time. */
const readChanged = (following: Following, { wasUnconditional }: Link): Effect.Effect<void, ConsulError> =>
  Effect.gen(function* () {
    const { one, progress, source, state } = following
    const { from, order } = progress
    const trust = trustSince(following, wasUnconditional ? Number.NEGATIVE_INFINITY : from.at)
    const examine = state.reader.examine(source, one.topic, trust)
    const changed = new Set<KeyRange.KeyRange>()
    for (const some of Arr.chunksOf(order, wasUnconditional ? order.length : examinedAtOnce)) {
      const areChanged = yield* Effect.forEach(some, examine, { concurrency: "unbounded" })
      for (const [i, range] of some.entries()) if (areChanged[i] === true) changed.add(range)
    }
    // Parts that have changed are likely to change again.
    progress.order = [...changed, ...order.filter((range) => !changed.has(range))]
  })

/** Asks for the index, and emits the parts that have changed if it has moved. */
const readParts = (following: Following, wait: Duration.Duration): Effect.Effect<Link, ConsulError> =>
  Effect.gen(function* () {
    const { links, one, progress, source, state } = following
    const { range } = one.shard
    const link = yield* one.topic.asking(
      links.ask(progress.from, wait, (wait) =>
        BlockingQuery.isNow(wait)
          ? source.moved(range.prefix, current)
          : blocking(state, "moved", range, wait, (wait) => source.moved(range.prefix, wait))
      )
    )
    one.isAsking = false
    const isSame = yield* isProcessed(one, RangeVersion.of(link))
    if (!isSame || link.wasUnconditional) yield* readChanged(following, link)
    return link
  })

/** Whether all keys of the shard are few and light enough for one answer. */
const isLight = ({ one: { shard }, state }: Following): boolean => {
  const { listing, means } = state.options
  const { parts, range } = shard
  return parts.length <= 1 && means.weights.estimate(range, listing.count(range)) <= mostLight(state)
}

/** Waits for one answer of the chain, and emits what has changed. */
const followOnce = (following: Following): Effect.Effect<void, ConsulError> =>
  Effect.gen(function* () {
    const { one, progress, state } = following
    one.isAsking = true
    const isBegun = progress.from.index > 0
    const wait = isBegun ? yield* nextWait(state) : Duration.zero
    const light = isLight(following)
    const reading = light ? readAll(following, wait) : readParts(following, wait)
    // The first read needs a permit: nothing shows yet how heavy the keys are.
    const link = yield* light && !isBegun ? state.reader.reads(reading) : reading
    const before = yield* SubscriptionRef.get(one.processed)
    if (link.restarted) yield* noteRewound(state)
    else if (link.wasUnconditional && Option.isSome(before)) state.marks.restartedAt = yield* Monotonic.now
    yield* SubscriptionRef.set(one.processed, Option.some(RangeVersion.of(link)))
    progress.from = link.next
  })

const makeFollowing = (state: State, one: Running, source: SourceReader): Effect.Effect<Following> =>
  Effect.gen(function* () {
    const progress: Progress = {
      from: BlockingQuery.fromScratch,
      order: one.shard.parts,
      isQuiet: true,
      failedAt: Number.NEGATIVE_INFINITY
    }
    const noteFailed = Effect.map(Monotonic.now, (now) => {
      progress.failedAt = now
    })
    const links = yield* chain(
      { ...source, failed: (error) => Effect.zipRight(noteFailed, source.failed(error)) },
      state.options.means.limit,
      noteRewound(state)
    )
    return { state, one, source, links, progress }
  })

/** Watches a shard, from one blocking query to the next. Fails with `AnswerTooLarge` if a part of it must be divided. */
export const follow = (state: State, one: Running, source: SourceReader): Effect.Effect<never, ConsulError> =>
  Effect.gen(function* () {
    const following = yield* makeFollowing(state, one, source)
    for (;;) yield* followOnce(following)
  })
