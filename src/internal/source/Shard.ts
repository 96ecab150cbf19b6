/**
 * How one shard of a layout is watched, with a blocking query of its own.
 *
 * A shard of few light keys asks whether they have moved, and then reads them; while they go on changing it asks for all of
 * them, and has each change with the answer. One of many or of heavy keys asks for their names, which is answered as soon
 * as anything has changed. Then it compares the versions of its parts, and reads the parts that have moved.
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
import type { Liveness, Part } from "./Liveness.js"
import * as PartReader from "./PartReader.js"
import type { Shard } from "./ShardLayout.js"
import { chain, current, type SourceReader } from "./SourceReader.js"
import type { WatchMeans } from "./WatchPlan.js"
import * as Weights from "./Weights.js"

/** A shard while it is watched. */
export interface Running {
  readonly shard: Shard
  readonly scope: Scope.CloseableScope
  readonly part: Part
  /** The version up to which the consumer has processed all that the shard emitted; none before its first read. */
  readonly processed: SubscriptionRef.SubscriptionRef<Option.Option<RangeVersion.RangeVersion>>
  /** Whether it waits for Consul, and not for the consumer. */
  isAsking: boolean
  /** Whether it has ended, because a part of it must be divided. */
  isTooHeavy: boolean
}

/** What all shards of a watch share. Times are ms of `Monotonic.now`. */
export interface State {
  readonly options: Options
  readonly scope: Scope.Scope
  readonly reader: PartReader.PartReader
  /** For questions about any shard, beside its own fiber. */
  readonly own: SourceReader
  readonly unwatched: Part
  /** By what tells a shard from others: its ranges. */
  readonly running: Map<string, Running>
  readonly verifications: FifoSemaphore.FifoSemaphore
  readonly failed: Deferred.Deferred<never, ConsulError>
  /** Done when queries may block. */
  readonly mayBlock: Deferred.Deferred<void>
  /** Open when a shard is too heavy. */
  readonly heavy: Effect.Latch
  readonly startedAt: number
  readonly marks: Marks
}

/** Changed by the fibers of all shards. */
export interface Marks {
  /** Number of ranges that were emitted. */
  activity: number
  /** When a shard last restarted with another history: versions of before say nothing. */
  rewoundAt: number
  /** When any shard last restarted. After a restart all unwatched ranges are read again; there are few. */
  restartedAt: number
}

/** Parts of a shard that has changed are examined so many at once: all together would keep what they read waiting. */
const examinedAtOnce = 4

/** Versions of what was read in another history say nothing, about the keys of any shard. */
export const noteRewound = ({ marks }: Pick<State, "marks">): Effect.Effect<void> =>
  Effect.map(Monotonic.now, (now) => {
    marks.rewoundAt = now
    marks.restartedAt = now
  })

export interface Options {
  /** Makes a source for one fiber. */
  readonly source: Effect.Effect<SourceReader, never, Scope.Scope>
  readonly kept: Pick<WatchMeans, "budget" | "limit" | "parts" | "weights">
  readonly listing: Listing
  readonly liveness: Liveness
  readonly emit: (read: PartReader.RangeRead) => Effect.Effect<void>
}

/** The most bytes that a shard may have so that all of its keys are asked for at once. */
const mostLight = ({ running }: Pick<State, "running">): number =>
  Weights.lightBytes(Math.max(1, running.size))

/**
 * How long the next query may block, as soon as one may. The age of the watch counts from its beginning: a watch that has taken
 * a while to be read is large, and the ends of short waits would be a burden on its source.
 */
const nextWait = ({ mayBlock, options, startedAt }: State): Effect.Effect<Duration.Duration> =>
  Effect.gen(function* () {
    yield* Deferred.await(mayBlock)
    const age = Duration.millis(Math.round((yield* Monotonic.now) - startedAt))
    return yield* options.kept.budget.wait(age)
  })

/** A blocking query. A query that a former watch has left in the pool is used first. */
const blocking = <A>(
  { options }: State,
  kind: string,
  range: KeyRange.KeyRange,
  wait: BlockingQuery.Request,
  query: (wait: BlockingQuery.Request) => Effect.Effect<Answer<A>, ConsulError>
) => options.kept.parts.ask({ kind, of: KeyRange.id(range) }, wait, query(wait))

/**
 * Asks for all keys of a range. Of one that has been quiet for a while, only whether it has moved: an answer without
 * anything new holds all of it too, and is a load on both sides; the first change can wait the 3 ms until it is read.
 */
const askingAll = (state: State, { processed, shard: { range } }: Running, source: SourceReader) => {
  const { options, reader } = state
  // It may have become heavy.
  const now = reader.reads(reader.look(source, PartReader.noTrust, range))
  let isQuiet = true
  return (wait: BlockingQuery.Request): Effect.Effect<BlockingQuery.Raw<PartReader.Looked>, ConsulError> =>
    Effect.gen(function* () {
      const before = yield* SubscriptionRef.get(processed)
      const isSame = (version: RangeVersion.RangeVersion) =>
        Option.exists(before, (before) => RangeVersion.equals(before, version))
      if (isQuiet && !range.exact) {
        const answer = yield* blocking(state, "moved", range, wait, (wait) =>
          source.moved(range.prefix, wait)
        )
        isQuiet = isSame(RangeVersion.of(answer))
        return isQuiet ? { ...answer, value: { hasKeys: answer.value, unread: Option.none() } } : yield* now
      }
      const limit = { maxBytes: 1.25 * mostLight(state) }
      const answer = yield* blocking(state, "keys", range, wait, (wait) =>
        source.newer(range, { ...wait, ...limit })
      )
      const { value } = answer
      if (Option.isNone(value)) {
        isQuiet = true
        const hasKeys = Option.exists(before, ({ hasKeys }) => hasKeys)
        return { ...answer, value: { hasKeys, unread: value } }
      }
      const version = RangeVersion.ofEntries({ ...answer, value: value.value })
      isQuiet = isSame(version)
      if (isQuiet) return { ...answer, value: { hasKeys: version.hasKeys, unread: Option.none() } }
      if (reader.isIncomplete(range, value.value)) return yield* now
      options.kept.weights.note(range, value.value.entries.length, Weights.bytesOf(value.value))
      return { ...answer, value: { hasKeys: version.hasKeys, unread: value } }
    }).pipe(Effect.catchTag("AnswerTooLarge", () => now))
}

/** Watches a shard, from one blocking query to the next. Fails with `AnswerTooLarge` if a part of it must be divided. */
export const follow = (state: State, one: Running, source: SourceReader): Effect.Effect<never, ConsulError> =>
  Effect.gen(function* () {
    const { marks, options, reader } = state
    const { limit, weights } = options.kept
    const { parts, range } = one.shard
    /** What was read before this time proves nothing (ms). */
    let notBefore = Number.NEGATIVE_INFINITY
    const distrust = Effect.map(Monotonic.now, (now) => {
      notBefore = now
    })
    const distrustAll = noteRewound(state)
    const links = yield* chain(
      { ...source, failed: (e) => Effect.zipRight(distrust, source.failed(e)) },
      limit,
      distrustAll
    )
    const asking = askingAll(state, one, source)
    let order = parts
    let from = BlockingQuery.fromScratch

    const trust = (since: number): PartReader.Trust => ({
      since,
      notBefore: Math.max(notBefore, marks.rewoundAt)
    })

    /** All keys with the answer. The first of all takes a turn: their weight is not known yet. */
    const readAll = (wait: Duration.Duration) =>
      Effect.gen(function* () {
        const link = yield* one.part.asking(
          links.ask(from, wait, (wait) =>
            BlockingQuery.isNow(wait) ? reader.look(source, trust(from.at), range) : asking(wait)
          )
        )
        one.isAsking = false
        const { hasKeys, unread } = link.value
        if (Option.isSome(unread)) yield* reader.emitRange({ ...unread.value, range, index: link.index })
        return { ...link, value: hasKeys }
      })

    /** Whether anything has moved with the answer, and then the parts that have. */
    const readParts = (wait: Duration.Duration) =>
      Effect.gen(function* () {
        const link = yield* one.part.asking(
          links.ask(from, wait, (wait) =>
            BlockingQuery.isNow(wait)
              ? source.moved(range.prefix, current)
              : blocking(state, "moved", range, wait, (wait) => source.moved(range.prefix, wait))
          )
        )
        one.isAsking = false
        const before = yield* SubscriptionRef.get(one.processed)
        const isSame = Option.exists(before, (before) => RangeVersion.equals(before, RangeVersion.of(link)))
        if (isSame && !link.wasUnconditional) return link
        const examine = reader.examine(
          source,
          one.part,
          trust(link.wasUnconditional ? Number.NEGATIVE_INFINITY : from.at)
        )
        const changed = new Set<KeyRange.KeyRange>()
        for (const some of Arr.chunksOf(order, link.wasUnconditional ? parts.length : examinedAtOnce)) {
          const areChanged = yield* Effect.forEach(some, examine, { concurrency: "unbounded" })
          for (const [i, range] of some.entries()) if (areChanged[i] === true) changed.add(range)
        }
        // What has changed is likely to change again.
        order = [...changed, ...order.filter((range) => !changed.has(range))]
        return link
      })

    for (;;) {
      one.isAsking = true
      const isBegun = from.index > 0
      const wait = isBegun ? yield* nextWait(state) : Duration.zero
      const isLight =
        parts.length <= 1 && weights.estimate(range, options.listing.count(range)) <= mostLight(state)
      const step = isLight ? readAll(wait) : readParts(wait)
      const link = yield* isLight && !isBegun ? reader.reads(step) : step
      const before = yield* SubscriptionRef.get(one.processed)
      if (link.restarted) yield* distrustAll
      else if (link.wasUnconditional && Option.isSome(before)) marks.restartedAt = yield* Monotonic.now
      yield* SubscriptionRef.set(one.processed, Option.some(RangeVersion.of(link)))
      from = link.next
    }
  })
