/**
 * Watches a large prefix in shards, so that a change costs a read of its range and not of the whole prefix. One more query, for
 * the names of all keys, shows keys that no shard has. After each change it is verified that every shard has followed.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import * as BlockingQuery from "../consul/BlockingQuery.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import * as Monotonic from "../effect/Monotonic.js"
import { sorted } from "../plan/SortKeys.js"
import { Listing } from "./Listing.js"
import type { Topic } from "./Liveness.js"
import * as PartReader from "./PartReader.js"
import * as Sample from "./Sample.js"
import * as ShardLayout from "./ShardLayout.js"
import * as Shards from "./Shards.js"
import { chain, current, retrying, type SourceReader } from "./SourceReader.js"
import { type Emit, isSmall, layoutFor, type WatchMeans, type WatchSettings } from "./WatchPlan.js"

/**
 * The time between two listings of a prefix that is watched in shards: a new key that no shard has is seen within a second.
 */
const pollInterval = Duration.millis(500)

/**
 * The pause before the next listing, given how long the last one took: about a tenth of the time goes into listings. For 100,000
 * keys a listing takes 26 ms. The pause is at most ten seconds, also behind a slow link.
 */
const pollPause = (took: Duration.Duration): Duration.Duration =>
  Duration.clamp(Duration.millis(Math.round(9 * Duration.toMillis(took))), {
    minimum: pollInterval,
    maximum: Duration.seconds(10)
  })

/**
 * The longest time between two verifications that all shards have emitted everything, while changes never cease. After a change,
 * a quiet source is verified at once.
 */
const verifyInterval = Duration.seconds(5)

/** The keys of a prefix as they were last listed, and how they are divided. Mutable: a watch in shards changes its own. */
export interface Division {
  /** How many blocking queries the layout is made for. */
  allowed: number
  /** Index of the latest answer about the names, and when it came (ms of `Monotonic.now`). */
  from: BlockingQuery.Cursor
  /** Names of all keys under the prefix, sorted by UTF-16 code units. */
  names: ReadonlyArray<string>
  layout: ShardLayout.Layout
  /** Questions whether names have changed are answered with names that are cut off behind this character, which are few. */
  separator: string
  /** Whether the layout has changed since the last `CaughtUp`. */
  layoutChanged: boolean
  /** When the consumer had processed the last `CaughtUp` (ms of `Monotonic.now`); 0 before the first. */
  caughtUpAt: number
}

/** One watch of a prefix in shards. */
export interface State extends Emit {
  readonly options: WatchSettings
  readonly means: WatchMeans
  /** For the requests of the watch itself. The shards have readers of their own. */
  readonly source: SourceReader
  /** The names, as a topic of the liveness. */
  readonly topic: Topic
  /** The chain of queries for the names. */
  readonly links: BlockingQuery.Sequence
  /** The names of `division`, for the reads of ranges. */
  readonly listing: Listing
  readonly shards: Shards.Shards
  readonly division: Division
}

/** Lists the keys of a prefix and divides them. None if the prefix is better watched with one query. */
export const divide = (
  source: SourceReader,
  options: WatchSettings,
  { budget, weights }: WatchMeans
): Effect.Effect<Option.Option<Division>, ConsulError> =>
  Effect.gen(function* () {
    const { prefix } = options
    const { index, value } = yield* retrying(source)(source.names(prefix, current))
    const names = sorted(value)
    const from = { index, at: yield* Monotonic.now }
    if (weights.areUnknown) {
      const bytes = yield* Sample.entryBytes(source.read, names)
      if (bytes !== undefined) weights.guess(bytes)
    }
    weights.noteCount(names.length)
    const allowed = yield* budget.allowedWith(names.length)
    const layout = layoutFor({ ...options, shards: allowed }, names, true, weights, source.isNameable)
    return Option.map(layout, (layout) => ({
      allowed,
      from,
      names,
      layout,
      separator: ShardLayout.separator(prefix, names),
      layoutChanged: true,
      caughtUpAt: 0
    }))
  })

const setLayout = ({ division, shards: { reader } }: State, layout: ShardLayout.Layout): void => {
  division.layout = layout
  division.layoutChanged = true
  reader.divided(layout.all.map(({ range }) => range))
}

/** Makes another layout for the names. Returns whether the prefix is still to be watched in shards. */
const divideAgain = (state: State): boolean => {
  const { division, means, options, source } = state
  const settings = { ...options, shards: division.allowed }
  const layout = layoutFor(settings, division.names, false, means.weights, source.isNameable)
  if (Option.isSome(layout)) setLayout(state, layout.value)
  return Option.isSome(layout)
}

/** Lists all names. `before` are names of an earlier listing: if nothing has changed, they are not decoded again. */
const list = (state: State, before?: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { division, listing, means, options, shards, source, topic } = state
    const highest = Math.max(division.from.index, shards.reader.highestIndex())
    const { index, value } = yield* topic.asking(source.names(options.prefix, { ...current, before }))
    const isOlder = index < highest
    const areSame = value === before
    if (!areSame) {
      division.names = sorted(value)
      yield* means.budget.claim(division.names.length)
    }
    division.from = { index, at: yield* Monotonic.now }
    listing.set(division.names)
    return { areSame, isOlder }
  })

/** Stops the shards that are not in the layout, and starts those that are new. */
const watchShards = ({ division, shards }: State): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { layout } = division
    shards.reader.keep(layout.all.map(({ range }) => range))
    return shards.watch(layout.shards)
  })

/**
 * Watches the shards of the layout, and reads the ranges that no query watches. If a range is too heavy, or has a name that no
 * path can carry, the prefix is divided in another way. Returns whether it is still to be watched in shards.
 */
const switchToLayout = (state: State, trust: PartReader.Trust): Effect.Effect<boolean, ConsulError> =>
  Effect.gen(function* () {
    const { division, shards, source } = state
    for (;;) {
      yield* watchShards(state)
      const isRead = yield* Effect.zipRight(
        shards.awaitFirstRead,
        shards.pollUnwatched(division.layout.unwatched, trust)
      ).pipe(
        Effect.as(true),
        Effect.catchTag("AnswerTooLarge", () => Effect.succeed(false)),
        Effect.raceFirst(Effect.as(shards.tooHeavy, false))
      )
      if (isRead && ShardLayout.isNameable(division.layout, source.isNameable)) return true
      if (!isRead && (yield* retrying(source)(list(state, division.names))).isOlder) return false
      if (!divideAgain(state)) return false
    }
  })

const emitCaughtUp = ({ division, emit }: State): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { from, layoutChanged, names } = division
    yield* emit({ _tag: "CaughtUp", index: from.index, names, layoutChanged })
    division.layoutChanged = false
    division.caughtUpAt = yield* Monotonic.now
  })

/** Waits for `pause`. Returns whether ranges were emitted in its second half. */
export const isActiveAfter = (
  { shards }: { readonly shards: Pick<Shards.Shards, "activity"> },
  pause: Duration.Duration
): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const half = Duration.millis(Math.round(Duration.toMillis(pause) / 2))
    yield* Effect.sleep(half)
    const before = yield* shards.activity
    yield* Effect.sleep(half)
    return (yield* shards.activity) > before
  })

/**
 * Waits until something under the prefix may have changed, and emits a `CaughtUp` each minute in which nothing has. Returns the
 * cursor up to which nothing had changed; none if the source has another history now.
 */
const awaitChange = (state: State): Effect.Effect<Option.Option<BlockingQuery.Cursor>, ConsulError> =>
  Effect.gen(function* () {
    const { division, links, liveness, means, options, shards, source, topic } = state
    const { prefix } = options
    const separator = ShardLayout.separator(prefix, division.names)
    division.separator = separator
    for (;;) {
      const { from } = division
      // A query with an index of another history could block for all of its wait.
      if (yield* shards.restartedSince(from)) return Option.some(BlockingQuery.fromScratch)
      const highest = shards.reader.highestIndex()
      const { wasUnconditional, restarted, next, value } = yield* topic.asking(
        links.ask(from, RequestTimes.watchWait, (wait) => {
          const consistency = BlockingQuery.isNow(wait) ? current : wait
          const names = source.names(prefix, { ...consistency, separator })
          return BlockingQuery.isNow(wait)
            ? names
            : means.whole.ask({ kind: "names", of: prefix }, wait, names)
        })
      )
      if (restarted || next.index < highest) return Option.none()
      if (wasUnconditional || (yield* shards.restartedSince(from))) {
        return Option.some(BlockingQuery.fromScratch)
      }
      const isEmptied = value.length === 0 && division.names.length > 0
      if (next.index > from.index || isEmptied) return Option.some(from)
      division.from = next
      yield* liveness.hearAll
      yield* emitCaughtUp(state)
    }
  })

/** Whether the query for the names stands for all shards. */
const hasOneQuery = ({ layout }: Division): boolean => layout.shards.length === 0

/**
 * How long to wait before the names are listed again. The shards hear of the change at the same moment, and their reads come
 * first. Where no range has a query, all wait for this listing: it follows at once if the last one was long ago.
 */
const pauseBefore = ({ division }: State, pause: Duration.Duration): Effect.Effect<Duration.Duration> =>
  hasOneQuery(division)
    ? Effect.map(Monotonic.now, (now) =>
        Duration.millis(Math.max(0, Duration.toMillis(pause) - (now - division.caughtUpAt)))
      )
    : Effect.succeed(pause)

/**
 * Lists and reads until everything that has changed after `since` was emitted, and emits a `CaughtUp`. Waits for `first` before
 * the first listing. Returns the pause before the next one; none if the prefix is no longer to be watched in shards, or has
 * another history.
 */
export const catchUp = (
  state: State,
  since: BlockingQuery.Cursor,
  first: Duration.Duration
): Effect.Effect<Option.Option<Duration.Duration>, ConsulError> =>
  Effect.gen(function* () {
    const { division, means, options, shards, source } = state
    let trust: PartReader.Trust =
      since.index === 0 ? PartReader.noTrust : { since: since.at, notBefore: Number.NEGATIVE_INFINITY }
    let pause = first
    // A failure may have been a restart with older data. A query for all shards would show that itself.
    const distrust = Effect.sync(() => {
      if (!hasOneQuery(division)) trust = PartReader.noTrust
    })
    for (;;) {
      const isActive = yield* isActiveAfter(state, yield* pauseBefore(state, pause))
      const [took, { areSame, isOlder }] = yield* retrying(source)(
        Effect.timed(Effect.tapError(list(state, division.names), () => distrust))
      )
      // In another history, nothing that was emitted of this one counts.
      if (isOlder || isSmall(division.names.length, options, means.weights)) return Option.none()
      pause = pollPause(took)
      const fits = areSame || (yield* ShardLayout.stillFits(division.layout, division.names))
      if (!fits && !divideAgain(state)) return Option.none()
      if (!(yield* switchToLayout(state, trust))) return Option.none()
      trust = { since: division.from.at, notBefore: Number.NEGATIVE_INFINITY }
      const due = division.caughtUpAt + Duration.toMillis(verifyInterval)
      if (isActive && !division.layoutChanged && (yield* Monotonic.now) < due) continue
      yield* shards.verify
      // In another history, ranges that no query watches are read again before everything counts as read.
      if (!(yield* shards.rewoundSince(division.from))) break
      trust = PartReader.noTrust
    }
    yield* emitCaughtUp(state)
    return Option.some(pause)
  })

/** Waits for one change and catches up. A range that has become too heavy is divided at once. */
const followOnce = (state: State, pause: Duration.Duration) =>
  Effect.suspend(() => {
    const { from } = state.division
    const changed = Effect.gen(function* () {
      const since = yield* awaitChange(state)
      return Option.isNone(since) ? Option.none() : yield* catchUp(state, since.value, pause)
    })
    const divided = Effect.zipRight(state.shards.tooHeavy, catchUp(state, from, Duration.zero))
    return Effect.raceFirst(changed, divided)
  })

/** Emits everything, and then each change, until the prefix is no longer to be watched in shards. */
const follow = (state: State): Effect.Effect<void, ConsulError, Scope.Scope> =>
  Effect.gen(function* () {
    const { division, listing, means, options, shards, source } = state
    const { budget } = means
    listing.set(division.names)
    setLayout(state, division.layout)
    if (!(yield* switchToLayout(state, PartReader.fullTrust))) return
    // All shards have just begun: they were read after the names.
    yield* emitCaughtUp(state)
    yield* shards.startBlocking
    yield* Effect.forkScoped(
      budget.probe(
        source.moved(options.prefix, { consistency: "stale", separator: division.separator }),
        Effect.sync(() => division.layout.shards.length)
      )
    )
    let pause = pollInterval
    for (;;) {
      const since = division.from
      const rebudgeted = Effect.as(budget.changed(division.allowed), undefined)
      let next = yield* Effect.raceFirst(followOnce(state, pause), rebudgeted)
      if (next === undefined) {
        division.allowed = yield* budget.allowed
        if (!divideAgain(state)) return
        // At once: the listing may need a connection that one of the former shards has.
        yield* watchShards(state)
        next = yield* catchUp(state, since, Duration.zero)
      }
      if (Option.isNone(next)) return
      pause = next.value
    }
  })

const makeState = (
  sources: Effect.Effect<SourceReader, never, Scope.Scope>,
  options: WatchSettings,
  means: WatchMeans,
  { emit, liveness }: Emit,
  first: Division
): Effect.Effect<State, never, Scope.Scope> =>
  Effect.gen(function* () {
    const division = { ...first }
    const source = yield* sources
    const topic = yield* liveness.topic()
    const links = yield* chain(source, means.limit)
    const listing = new Listing()
    const shards = yield* Shards.make({
      source: Effect.map(
        sources,
        (source): SourceReader => ({
          ...source,
          moved: (prefix, options) => source.moved(prefix, { ...options, separator: division.separator })
        })
      ),
      means,
      listing,
      liveness,
      emit: (read) => emit({ _tag: "Snapshot", ...read, totalKeys: division.names.length })
    })
    return { options, means, emit, liveness, source, topic, links, listing, shards, division }
  })

/**
 * Emits snapshots of ranges, and a `CaughtUp` when all of them were read, until the prefix is better watched with one query or
 * its source has another history. `sources` makes a reader for each fiber.
 */
export const watch = (
  sources: Effect.Effect<SourceReader, never, Scope.Scope>,
  options: WatchSettings,
  means: WatchMeans,
  reports: Emit,
  first: Division
): Effect.Effect<void, ConsulError> =>
  Effect.gen(function* () {
    yield* means.budget.claim(first.names.length)
    const state = yield* makeState(sources, options, means, reports, first)
    yield* Effect.raceFirst(follow(state), state.shards.failure)
  }).pipe(Effect.scoped)
