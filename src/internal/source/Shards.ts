/**
 * The shards of a layout while they are watched, each by a fiber with a blocking query of its own.
 *
 * A shard of few light keys asks whether they have moved, and then reads them; while they go on changing it asks for all of
 * them, and has each change with the answer. One of many or of heavy keys asks for their names, which is answered as soon
 * as anything has changed; then it looks which of its parts have moved, by their versions, and reads those.
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConsulError } from "../../ConsulError.js"
import type { Answer } from "../../ConsulHttp.js"
import * as KeyRange from "../../KeyRange.js"
import * as BlockingQuery from "../consul/BlockingQuery.js"
import * as RangeVersion from "../consul/RangeVersion.js"
import * as FifoSemaphore from "../effect/FifoSemaphore.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Schedules from "../Schedules.js"
import type { Listing } from "./Listing.js"
import type { Liveness, Part } from "./Liveness.js"
import * as PartReader from "./PartReader.js"
import type { Shard } from "./ShardLayout.js"
import { chain, current, retrying, type SourceReader } from "./SourceReader.js"
import type { WatchMeans } from "./WatchPlan.js"
import * as Weights from "./Weights.js"

export interface Shards {
  /** Watches these, and no others any more; those that were watched already are left alone, unless they are too heavy. */
  readonly watch: (shards: ReadonlyArray<Shard>) => Effect.Effect<void>
  /** Waits until each shard has said what was there when it began to be watched. */
  readonly awaitFirstRead: Effect.Effect<void>
  /**
   * Asks whether each shard has emitted everything that has changed by now, and waits for the shards that have not. A shard
   * that does not follow is restarted.
   */
  readonly verify: Effect.Effect<void, ConsulError>
  /**
   * Reads ranges that no query watches, and emits those that have changed since they were last read. Nothing had changed in
   * them until `since`. Fails with `AnswerTooLarge` if a range must be divided.
   */
  readonly pollUnwatched: (
    ranges: ReadonlyArray<KeyRange.KeyRange>,
    trust: PartReader.Trust
  ) => Effect.Effect<void, ConsulError>
  /**
   * Lets the queries of all shards block. Until then none blocks: a query that blocks cannot be taken back, and a watch that
   * ends after its first `CaughtUp` leaves none behind.
   */
  readonly startBlocking: Effect.Effect<void>
  /** Waits until a part of a shard must be divided. */
  readonly tooHeavy: Effect.Effect<void>
  /** Number of ranges that were emitted. */
  readonly activity: Effect.Effect<number>
  /** Whether a shard has started over since then, because the source may have another history. */
  readonly restartedSince: (since: BlockingQuery.Cursor) => Effect.Effect<boolean>
  /** Fails when one of them does. */
  readonly failure: Effect.Effect<never, ConsulError>
  readonly reader: PartReader.PartReader
}

interface Running {
  readonly shard: Shard
  readonly scope: Scope.CloseableScope
  readonly part: Part
  /** The version up to which everything it said has been dealt with; none before it has begun. */
  readonly said: SubscriptionRef.SubscriptionRef<Option.Option<RangeVersion.RangeVersion>>
  /** Whether it waits for Consul, and not for whoever deals with what it said. */
  isAsking: boolean
  /** Whether it has ended, because a part of it must be divided. */
  isTooHeavy: boolean
}

/** Parts of a shard that has changed are asked so many at once: all together would keep what they find waiting. */
const examinedAtOnce = 4

/** Shards are vouched for so many at once, beside the reads, so that no change waits behind all of them. */
const vouchesAtOnce = 4

const idOf = ({ parts, range }: Shard): string =>
  JSON.stringify([KeyRange.id(range), ...(parts.length === 1 ? [] : parts.map(KeyRange.id))])

export interface Options {
  /** Makes a source for one fiber. */
  readonly source: Effect.Effect<SourceReader, never, Scope.Scope>
  readonly kept: Pick<WatchMeans, "budget" | "limit" | "parts" | "weights">
  readonly listing: Listing
  readonly liveness: Liveness
  readonly emit: (found: PartReader.RangeRead) => Effect.Effect<void>
}

export const make = ({
  kept: { budget, limit, parts: parked, weights },
  listing,
  liveness,
  emit: say,
  source
}: Options): Effect.Effect<Shards, never, Scope.Scope> =>
  Effect.gen(function* () {
    const running = new Map<string, Running>()
    const mostLight = () => Weights.lightBytes(Math.max(1, running.size))
    const parent = yield* Effect.scope
    const vouches = FifoSemaphore.make(vouchesAtOnce)
    const failed = yield* Deferred.make<never, ConsulError>()
    const own = yield* source
    const ofLoose = yield* liveness.part()
    const mayWait = yield* Deferred.make<void>()
    const begunAt = yield* Monotonic.now
    const heavy = yield* Effect.makeLatch(false)
    let activity = 0
    /** When a shard was last told that its keys have another history: versions of before say nothing. */
    let rewoundAt = Number.NEGATIVE_INFINITY
    /** When any shard last restarted. After a restart all unwatched ranges are read again; there are few. */
    let startedOverAt = Number.NEGATIVE_INFINITY

    const reader = PartReader.make({
      weights,
      listing,
      emit: (found) =>
        Effect.suspend(() => {
          activity += 1
          return say(found)
        }),
      // It may have been a restart with older data. Where one query stands for all parts, it would show that itself.
      failed: Effect.map(Monotonic.now, (now) => {
        if (running.size > 0) startedOverAt = now
      })
    })

    /**
     * How long the next query may block, as soon as one may. The age of the watch counts from its beginning: what has taken
     * a while to be read is large, and the ends of short waits would be a burden on its source.
     */
    const patience = Effect.gen(function* () {
      yield* Deferred.await(mayWait)
      return yield* budget.wait(Duration.millis(Math.round((yield* Monotonic.now) - begunAt)))
    })

    /** A query that blocks: the one that is left from before, where there is one. */
    const blocking = <A>(
      kind: string,
      range: KeyRange.KeyRange,
      wait: BlockingQuery.Request,
      query: (wait: BlockingQuery.Request) => Effect.Effect<Answer<A>, ConsulError>
    ) => parked.ask({ kind, of: KeyRange.id(range) }, wait, query(wait))

    /**
     * Asks for all keys of a range. Of one that has been quiet for a while, only whether it has moved: an answer without
     * anything new holds all of it too, and is a load on both sides; the first change can wait the 3 ms until it is read.
     */
    const askingAll = (
      range: KeyRange.KeyRange,
      source: SourceReader,
      saidOf: Effect.Effect<Option.Option<RangeVersion.RangeVersion>>
    ) => {
      // It may have become heavy.
      const now = reader.reads(reader.look(source, PartReader.noTrust, range))
      let isQuiet = true
      return (
        wait: BlockingQuery.Request
      ): Effect.Effect<BlockingQuery.Raw<PartReader.Looked>, ConsulError> =>
        Effect.gen(function* () {
          const before = yield* saidOf
          const isSame = (version: RangeVersion.RangeVersion) =>
            Option.exists(before, (before) => RangeVersion.equals(before, version))
          if (isQuiet && !range.exact) {
            const answer = yield* blocking("moved", range, wait, (wait) => source.moved(range.prefix, wait))
            isQuiet = isSame(RangeVersion.of(answer))
            return isQuiet
              ? { ...answer, value: { hasKeys: answer.value, found: Option.none() } }
              : yield* now
          }
          const options = { maxBytes: 1.25 * mostLight() }
          const answer = yield* blocking("keys", range, wait, (wait) =>
            source.newer(range, { ...wait, ...options })
          )
          const { value } = answer
          if (Option.isNone(value)) {
            isQuiet = true
            const hasKeys = Option.exists(before, ({ hasKeys }) => hasKeys)
            return { ...answer, value: { hasKeys, found: value } }
          }
          const version = RangeVersion.ofEntries({ ...answer, value: value.value })
          isQuiet = isSame(version)
          if (isQuiet) return { ...answer, value: { hasKeys: version.hasKeys, found: Option.none() } }
          if (reader.isIncomplete(range, value.value)) return yield* now
          weights.note(range, value.value.entries.length, Weights.bytesOf(value.value))
          return { ...answer, value: { hasKeys: version.hasKeys, found: value } }
        }).pipe(Effect.catchTag("AnswerTooLarge", () => now))
    }

    const follow = (one: Running, source: SourceReader) =>
      Effect.gen(function* () {
        const { parts, range } = one.shard
        /** What was said before this time proves nothing (ms). */
        let notBefore = Number.NEGATIVE_INFINITY
        const distrust = Effect.map(Monotonic.now, (now) => {
          notBefore = now
        })
        /** Versions of what was read in another history say nothing: neither of this shard's keys nor of others. */
        const distrustAll = Effect.map(Monotonic.now, (now) => {
          rewoundAt = now
          startedOverAt = now
        })
        const links = yield* chain(
          { ...source, failed: (e) => Effect.zipRight(distrust, source.failed(e)) },
          limit,
          distrustAll
        )
        const asking = askingAll(range, source, SubscriptionRef.get(one.said))
        let order = parts
        let from = BlockingQuery.fromScratch

        const trust = (since: number): PartReader.Trust => ({
          since,
          notBefore: Math.max(notBefore, rewoundAt)
        })

        /** All keys with the answer. The first of all takes a turn: nobody knows how heavy they are. */
        const readAll = (wait: Duration.Duration) =>
          Effect.gen(function* () {
            const link = yield* one.part.asking(
              links.ask(from, wait, (wait) =>
                BlockingQuery.isNow(wait) ? reader.look(source, trust(from.at), range) : asking(wait)
              )
            )
            one.isAsking = false
            const { found, hasKeys } = link.value
            if (Option.isSome(found)) {
              yield* reader.emitRange({ ...found.value, range, index: link.index })
            }
            return { ...link, value: hasKeys }
          })

        /** Whether anything has moved with the answer, and then the parts that have. */
        const readParts = (wait: Duration.Duration) =>
          Effect.gen(function* () {
            const link = yield* one.part.asking(
              links.ask(from, wait, (wait) =>
                BlockingQuery.isNow(wait)
                  ? source.moved(range.prefix, current)
                  : blocking("moved", range, wait, (wait) => source.moved(range.prefix, wait))
              )
            )
            one.isAsking = false
            const before = yield* SubscriptionRef.get(one.said)
            const isSame = Option.exists(before, (before) =>
              RangeVersion.equals(before, RangeVersion.of(link))
            )
            if (isSame && !link.wasUnconditional) return link
            const examine = reader.examine(
              source,
              one.part,
              trust(link.wasUnconditional ? Number.NEGATIVE_INFINITY : from.at)
            )
            const changed = new Set<KeyRange.KeyRange>()
            for (const some of Arr.chunksOf(order, link.wasUnconditional ? parts.length : examinedAtOnce)) {
              const told = yield* Effect.forEach(some, examine, { concurrency: "unbounded" })
              for (const [i, range] of some.entries()) if (told[i] === true) changed.add(range)
            }
            // What has changed is likely to change again.
            order = [...changed, ...order.filter((range) => !changed.has(range))]
            return link
          })

        for (;;) {
          one.isAsking = true
          const isBegun = from.index > 0
          const wait = isBegun ? yield* patience : Duration.zero
          const isLight = parts.length <= 1 && weights.estimate(range, listing.count(range)) <= mostLight()
          const step = isLight ? readAll(wait) : readParts(wait)
          const link = yield* isLight && !isBegun ? reader.reads(step) : step
          const before = yield* SubscriptionRef.get(one.said)
          if (link.restarted) yield* distrustAll
          else if (link.wasUnconditional && Option.isSome(before)) startedOverAt = yield* Monotonic.now
          yield* SubscriptionRef.set(one.said, Option.some(RangeVersion.of(link)))
          from = link.next
        }
      })

    const start = (shard: Shard, silentSince?: number) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(parent, ExecutionStrategy.parallel)
        const one: Running = {
          shard,
          scope,
          part: yield* Scope.extend(liveness.part(silentSince), scope),
          said: yield* SubscriptionRef.make(Option.none<RangeVersion.RangeVersion>()),
          isAsking: false,
          isTooHeavy: false
        }
        running.set(idOf(shard), one)
        yield* Effect.flatMap(source, (own) => follow(one, own)).pipe(
          Effect.catchTag("AnswerTooLarge", () => {
            one.isTooHeavy = true
            return heavy.open
          }),
          Effect.catchAllCause((cause) => Deferred.failCause(failed, cause)),
          Scope.extend(scope),
          Effect.forkIn(scope)
        )
      })

    const stop = (id: string, { scope }: Running) =>
      // Interrupted while it is closed, a scope is closed and what was in it goes on.
      Effect.zipRight(
        Effect.sync(() => running.delete(id)),
        Scope.close(scope, Exit.void)
      ).pipe(Effect.uninterruptible)

    type Reached = (said: Option.Option<RangeVersion.RangeVersion>) => boolean

    const hasReached = ({ said }: Running, isReached: Reached) =>
      Effect.map(SubscriptionRef.get(said), isReached)

    /** Most have: a stream and a time limit for each of them would take longer than all questions. */
    const reaches = (one: Running, isReached: Reached) =>
      Effect.unlessEffect(
        one.said.changes.pipe(Stream.filter(isReached), Stream.runHead),
        hasReached(one, isReached)
      )

    const begun = Effect.suspend(() =>
      Effect.forEach(running.values(), (one) => reaches(one, Option.isSome), { discard: true })
    )

    const vouchFor = (id: string, one: Running) =>
      Effect.gen(function* () {
        const { range } = one.shard
        const before = yield* SubscriptionRef.get(one.said)
        const ask: Effect.Effect<RangeVersion.RangeVersion, ConsulError> = range.exact
          ? Effect.map(own.read(range, current), RangeVersion.ofEntries)
          : Effect.map(own.moved(range.prefix, current), RangeVersion.of)
        const { hasKeys, index } = yield* vouches(retrying(own)(ask))
        const isReached: Reached = Option.exists(
          (said: RangeVersion.RangeVersion) =>
            said.index > index || (said.index === index && said.hasKeys === hasKeys)
        )
        const saysIt = Effect.timeoutOption(reaches(one, isReached), Schedules.shardTimeout)
        while (!Option.exists(before, (before) => index < before.index)) {
          if ((yield* hasReached(one, isReached)) || Option.isSome(yield* saysIt)) {
            return yield* one.part.asking(Effect.void)
          }
          if (one.isAsking) break
        }
        yield* stop(id, one)
        yield* start(one.shard, yield* one.part.lastHeard)
      })

    return {
      watch: (shards) =>
        Effect.gen(function* () {
          yield* heavy.close
          const silentSince = yield* liveness.lastHeard
          const wanted = new Map(shards.map((shard) => [idOf(shard), shard]))
          for (const [id, one] of running) {
            if (!wanted.has(id) || one.isTooHeavy) yield* stop(id, one)
          }
          for (const [id, shard] of wanted) if (!running.has(id)) yield* start(shard, silentSince)
        }),
      awaitFirstRead: begun,
      verify: Effect.suspend(() =>
        Effect.forEach([...running], ([id, one]) => vouchFor(id, one), {
          concurrency: "unbounded",
          discard: true
        })
      ).pipe(Effect.zipRight(begun)),
      pollUnwatched: (ranges, { notBefore, since }) =>
        Effect.suspend(() => {
          const trust = { since, notBefore: Math.max(notBefore, startedOverAt, rewoundAt) }
          return Effect.forEach(ranges, reader.examine(own, ofLoose, trust), {
            concurrency: "unbounded",
            discard: true
          })
        }).pipe(Effect.zipRight(ofLoose.asking(Effect.void))),
      startBlocking: Deferred.succeed(mayWait, undefined),
      tooHeavy: heavy.await,
      activity: Effect.sync(() => activity),
      restartedSince: ({ at }) => Effect.sync(() => at < startedOverAt),
      failure: Deferred.await(failed),
      reader
    }
  })
