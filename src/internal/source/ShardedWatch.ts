/**
 * Watches a prefix of many or of heavy keys in parts, each with a query of its own or with one for all of them, so that a
 * change costs what a part costs. What falls between the parts, and whether all of them have said what they should, is
 * looked for beside them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import * as BlockingQuery from "../consul/BlockingQuery.js"
import * as Monotonic from "../effect/Monotonic.js"
import { sorted } from "../plan/SortKeys.js"
import * as Schedules from "../Schedules.js"
import { Listing } from "./Listing.js"
import * as PartReader from "./PartReader.js"
import * as Sample from "./Sample.js"
import * as ShardLayout from "./ShardLayout.js"
import * as Shards from "./Shards.js"
import { chain, current, retrying, type SourceReader } from "./SourceReader.js"
import { type Emit, isSmall, layoutFor, type WatchMeans, type WatchSettings } from "./WatchPlan.js"

/**
 * The keys that there are, `from` when they were listed, and the parts to watch them in, laid out for `allowed` blocking
 * queries.
 */
interface Divided {
  readonly allowed: number
  readonly from: BlockingQuery.Cursor
  readonly names: ReadonlyArray<string>
  readonly layout: ShardLayout.Layout
}

/** What there is to be watched in parts; none if it is better watched as a whole. */
export const begin = (
  source: SourceReader,
  options: WatchSettings,
  { budget, weights }: WatchMeans
): Effect.Effect<Option.Option<Divided>, ConsulError> =>
  Effect.gen(function* () {
    const { index, value } = yield* retrying(source)(source.names(options.prefix, current))
    const names = sorted(value)
    const from = { index, at: yield* Monotonic.now }
    if (weights.areUnknown) {
      const bytes = yield* Sample.entryBytes(source.read, names)
      if (bytes !== undefined) weights.guess(bytes)
    }
    weights.noteCount(names.length)
    const allowed = yield* budget.allowedWith(names.length)
    const layout = layoutFor({ ...options, shards: allowed }, names, true, weights, source.isNameable)
    return Option.map(layout, (layout) => ({ allowed, from, names, layout }))
  })

/** Says snapshots of parts, and when they are complete, until they serve no more or their history is another one. */
export const watch = (
  sources: Effect.Effect<SourceReader, never, Scope.Scope>,
  options: WatchSettings,
  kept: WatchMeans,
  { emit, liveness }: Emit,
  first: Divided
) =>
  Effect.gen(function* () {
    const { prefix } = options
    const { budget, limit, weights, whole } = kept
    yield* budget.claim(first.names.length)
    const source = yield* sources
    const part = yield* liveness.part()
    const links = yield* chain(source, limit)
    const listing = new Listing()
    let { allowed, from, layout, names } = first
    let reshaped = true
    let completed = 0
    let separator = ShardLayout.separator(prefix, names)

    // Parts ask for names to see whether they have moved: folded, they are few.
    const folding = Effect.map(
      sources,
      (source): SourceReader => ({
        ...source,
        moved: (prefix, options) => source.moved(prefix, { ...options, separator })
      })
    )
    const shards = yield* Shards.make({
      source: folding,
      kept,
      listing,
      liveness,
      emit: (found) => emit({ _tag: "Snapshot", ...found, totalKeys: names.length })
    })
    const { reader } = shards

    const relaid = (next: ShardLayout.Layout) => {
      layout = next
      reader.divided(next.all.map(({ range }) => range))
      reshaped = true
    }

    /** Another layout for the keys that there are. Returns whether the prefix is still to be watched in parts. */
    const divide = () => {
      const next = layoutFor({ ...options, shards: allowed }, names, false, weights, source.isNameable)
      if (Option.isSome(next)) relaid(next.value)
      return Option.isSome(next)
    }

    const list = (before?: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const highest = Math.max(from.index, reader.highestIndex())
        const answer = yield* part.asking(source.names(prefix, { ...current, before }))
        const isOlder = answer.index < highest
        const areSame = answer.value === before
        if (!areSame) {
          names = sorted(answer.value)
          yield* budget.claim(names.length)
        }
        from = { index: answer.index, at: yield* Monotonic.now }
        listing.set(names)
        return { areSame, isOlder }
      })

    /** Stops the shards that are not in the layout, and starts those that are new. */
    const watchShards = Effect.suspend(() => {
      reader.keep(layout.all.map(({ range }) => range))
      return shards.watch(layout.shards)
    })

    /**
     * Watches the parts of the layout, and says what is in no shard, by what can be trusted. What turns out to be too heavy,
     * or to have a name that no path can carry, is divided in another way. Returns whether the prefix is still to be watched
     * in parts.
     */
    const adopt = (trust: PartReader.Trust) =>
      Effect.gen(function* () {
        for (;;) {
          yield* watchShards
          const isRead = yield* Effect.zipRight(
            shards.awaitFirstRead,
            shards.pollUnwatched(layout.unwatched, trust)
          ).pipe(
            Effect.as(true),
            Effect.catchTag("AnswerTooLarge", () => Effect.succeed(false)),
            Effect.raceFirst(Effect.as(shards.tooHeavy, false))
          )
          if (isRead && ShardLayout.isNameable(layout, source.isNameable)) return true
          if (!isRead && (yield* retrying(source)(list(names))).isOlder) return false
          if (!divide()) return false
        }
      })

    const complete = Effect.gen(function* () {
      yield* emit({ _tag: "CaughtUp", index: from.index, names, layoutChanged: reshaped })
      reshaped = false
      completed = yield* Monotonic.now
    })

    /** Whether shards have something to say in the second half of a pause. */
    const areBusyAfter = Effect.fnUntraced(function* (pause: Duration.Duration) {
      const half = Duration.millis(Math.round(Duration.toMillis(pause) / 2))
      yield* Effect.sleep(half)
      const before = yield* shards.activity
      yield* Effect.sleep(half)
      return (yield* shards.activity) > before
    })

    /**
     * Waits until something under the prefix may have changed, and says each minute that nothing has. Returns since when
     * nothing had; none when its history is another one now.
     */
    const changed = Effect.gen(function* () {
      separator = ShardLayout.separator(prefix, names)
      for (;;) {
        // A query with an index of another history could block for all of its wait.
        if (yield* shards.restartedSince(from)) return Option.some(BlockingQuery.fromScratch)
        const highest = reader.highestIndex()
        const { wasUnconditional, restarted, next, value } = yield* part.asking(
          links.ask(from, Schedules.watchWait, (wait) => {
            const options = BlockingQuery.isNow(wait) ? current : wait
            const asked = source.names(prefix, { ...options, separator })
            return BlockingQuery.isNow(wait) ? asked : whole.ask({ kind: "names", of: prefix }, wait, asked)
          })
        )
        if (restarted || next.index < highest) return Option.none()
        if (wasUnconditional || (yield* shards.restartedSince(from)))
          return Option.some(BlockingQuery.fromScratch)
        const isEmptied = value.length === 0 && names.length > 0
        if (next.index > from.index || isEmptied) return Option.some(from)
        from = next
        yield* liveness.hearAll
        yield* complete
      }
    })

    /** Whether one query stands for all parts. */
    const isSolo = () => layout.shards.length === 0

    /** Looks until all that has changed `since` was said, and says that it is complete. */
    const catchUp = (since: BlockingQuery.Cursor, first: Duration.Duration) =>
      Effect.gen(function* () {
        let trust: PartReader.Trust =
          since.index === 0 ? PartReader.noTrust : { since: since.at, notBefore: Number.NEGATIVE_INFINITY }
        let pause = first
        for (;;) {
          // The parts are told of the change at the same moment: what they do about it comes first. Without queries of their
          // own they wait for this look, but not if the last one was long ago.
          const left = isSolo() ? Duration.toMillis(pause) - ((yield* Monotonic.now) - completed) : 0
          const areBusy = yield* areBusyAfter(isSolo() ? Duration.millis(Math.max(0, left)) : pause)
          // It may have been a restart with older data. A query for all parts would show that itself.
          const distrust = Effect.sync(() => {
            if (!isSolo()) trust = PartReader.noTrust
          })
          const [took, { areSame, isOlder }] = yield* retrying(source)(
            Effect.timed(Effect.tapError(list(names), () => distrust))
          )
          // Another history: nothing that was said of this one counts.
          if (isOlder || isSmall(names.length, options, weights)) return Option.none()
          pause = Schedules.pollPause(took)
          if (!areSame && !(yield* ShardLayout.stillFits(layout, names)) && !divide()) return Option.none()
          if (!(yield* adopt(trust))) return Option.none()
          trust = { since: from.at, notBefore: Number.NEGATIVE_INFINITY }
          const due = completed + Duration.toMillis(Schedules.verifyInterval)
          if (areBusy && !reshaped && (yield* Monotonic.now) < due) continue
          yield* shards.verify
          // In another history, what is in no shard is read again before all counts as read.
          if (!(yield* shards.rewoundSince(from))) break
          trust = PartReader.noTrust
        }
        yield* complete
        return Option.some(pause)
      })

    const follow = Effect.gen(function* () {
      listing.set(names)
      relaid(layout)
      if (!(yield* adopt(PartReader.fullTrust))) return
      // What has just begun has been read after the names.
      yield* complete
      yield* shards.startBlocking
      yield* Effect.forkScoped(
        budget.probe(
          source.moved(prefix, { consistency: "stale", separator }),
          Effect.sync(() => layout.shards.length)
        )
      )
      let pause = Schedules.pollInterval
      for (;;) {
        const since = from
        const round = Effect.gen(function* () {
          const since = yield* changed
          return Option.isNone(since) ? Option.none() : yield* catchUp(since.value, pause)
        })
        // A part that has become too heavy is divided at once.
        const followed = Effect.raceFirst(
          round,
          Effect.zipRight(shards.tooHeavy, catchUp(since, Duration.zero))
        )
        const rebudgeted = Effect.as(budget.changed(allowed), undefined)
        let next = yield* Effect.raceFirst(followed, rebudgeted)
        if (next === undefined) {
          allowed = yield* budget.allowed
          if (!divide()) return
          // At once: what follows may need a connection that one of the former shards has.
          yield* watchShards
          next = yield* catchUp(since, Duration.zero)
        }
        if (Option.isNone(next)) return
        pause = next.value
      }
    })

    yield* Effect.raceFirst(follow, shards.failure)
  }).pipe(Effect.scoped)
