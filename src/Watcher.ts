/**
 * Watches a prefix: a stream of what its datacenter holds under it, one blocking query after another.
 *
 * A small prefix is watched with one query, which sends all of it again for each change. A large one is watched in
 * parts, each with a query of its own, so that a change costs what a part costs, however large the prefix is. What
 * falls between the parts, and whether all of them have said what they should, is looked for beside them, not more
 * often than it has to be.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConsulError } from "./ConsulError.js"
import { type Answer, ConsulHttp, type Presence } from "./ConsulHttp.js"
import * as PiecewiseRead from "./internal/consul/PiecewiseRead.js"
import * as OpenScope from "./internal/effect/OpenScope.js"
import * as Schedules from "./internal/Schedules.js"
import * as Handoff from "./internal/source/Handoff.js"
import * as Liveness from "./internal/source/Liveness.js"
import * as PrefixView from "./internal/source/PrefixView.js"
import * as Pulse from "./internal/source/Pulse.js"
import * as ShardedWatch from "./internal/source/ShardedWatch.js"
import * as SingleWatch from "./internal/source/SingleWatch.js"
import * as SourceReader from "./internal/source/SourceReader.js"
import { defaults, type PrefixOptions, type WatchOptions } from "./internal/source/WatchOptions.js"
import * as WatchPlaces from "./internal/source/WatchPlaces.js"
import type * as WatchPlan from "./internal/source/WatchPlan.js"
import * as Weights from "./internal/source/Weights.js"
import type { KeyRange } from "./KeyRange.js"
import type { KeyValues } from "./KeyValue.js"
import type { Contents, KeyChange, Snapshot, WatchEvent } from "./WatchEvent.js"

export { defaults, type PrefixOptions, type WatchOptions } from "./internal/source/WatchOptions.js"
export { type CaughtUp, type Contents, KeyChange, type Snapshot, type WatchEvent } from "./WatchEvent.js"

/**
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { ConsulHttp, Watcher } from "consul-replicate"
 * import { SimConsul, World } from "consul-replicate/testing"
 * import { Effect, Layer, Stream } from "effect"
 *
 * const Consul = Layer.provideMerge(ConsulHttp.layer({ address: "127.0.0.1" }), SimConsul.layerHttpClient())
 *
 * export const program = Effect.gen(function* () {
 *   yield* World.put("nyc1", { "app/color": "blue" })
 *   const [contents] = yield* Watcher.snapshots("app/").pipe(Stream.take(1), Stream.runCollect)
 *   assert.deepStrictEqual(contents?.entries.map(({ key }) => key), ["app/color"])
 *   const first = yield* Watcher.changes("app/").pipe(Stream.take(1), Stream.runCollect)
 *   assert.deepStrictEqual(Array.from(first, ({ key }) => key), ["app/color"])
 * }).pipe(Effect.provide(Layer.provideMerge(Watcher.layer, Consul)))
 * ```
 */
export class Watcher extends Context.Tag("consul-replicate/Watcher")<
  Watcher,
  {
    /**
     * First what the prefix holds now, never stale, then what changes: snapshots of ranges, and a `CaughtUp` when every range was
     * read. A small prefix is one range, and a `CaughtUp` follows each of its snapshots in the same batch. Each element is a batch of everything found since the previous batch was consumed, so a
     * slow consumer sees several changes as one. A snapshot need not differ from the one before. Transient errors are retried
     * and logged once; the stream fails only with errors that a retry cannot fix.
     */
    readonly events: (
      options: WatchOptions
    ) => Stream.Stream<Arr.NonEmptyReadonlyArray<WatchEvent>, ConsulError>
    /**
     * All that the prefix holds: first as it is now, never stale, then after each change. A prefix that one query watches is
     * read at once, so that the contents are those of one moment. Of a prefix that is watched in shards, they hold everything
     * up to `index`, and may hold a part of what one transaction wrote later: the next element has the rest. With `shards`: 1,
     * all prefixes of less than 8 MB are read at once.
     *
     * A slow consumer sees several changes as one, and delays only its own stream. Transient errors are retried and logged
     * once. The stream fails only with errors that a retry cannot fix.
     *
     * @since 0.5.0
     */
    readonly snapshots: (prefix: string, options?: PrefixOptions) => Stream.Stream<Contents, ConsulError>
    /**
     * The keys that the prefix holds, as writes, then each change. A slow consumer sees only the last of several writes of a
     * key, and nothing of a key that was written and deleted since. Writes of one shard come in the order of their keys. Values
     * are not kept. Errors are those of `snapshots`.
     *
     * @since 0.5.0
     */
    readonly changes: (prefix: string, options?: PrefixOptions) => Stream.Stream<KeyChange, ConsulError>
    /** A range as it is now, never stale. Waits as `events` does. */
    readonly confirm: (
      options: WatchOptions & { readonly range: KeyRange }
    ) => Effect.Effect<Snapshot, ConsulError>
    /**
     * The same in pieces of 8 MB at most, each given to `use` in turn, so that heavy values are not all in memory at once.
     * Returns the index of the range before any of its pieces was read. What fails for now is asked for again by itself.
     *
     * @since 0.5.0
     */
    readonly confirmInPieces: <E>(
      options: WatchOptions & { readonly range: KeyRange },
      use: (piece: KeyRange, found: Answer<KeyValues>) => Effect.Effect<void, E>
    ) => Effect.Effect<number, ConsulError | E>
    /**
     * The names of all keys under the prefix as they are now, never stale; `before` itself, names that were said of it
     * earlier, where they are the same still. Waits as `events` does.
     */
    readonly names: (
      options: WatchOptions & { readonly before?: ReadonlyArray<string> | undefined }
    ) => Effect.Effect<ReadonlyArray<string>, ConsulError>
    /**
     * Which of these keys exist, asked for by name. Ask before you delete a key that an answer lacked.
     * Never stale. Waits as `events` does.
     */
    readonly presence: (
      options: WatchOptions & { readonly keys: ReadonlyArray<string> }
    ) => Effect.Effect<Presence, ConsulError>
  }
>() {}

type Service = Context.Tag.Service<Watcher>
/** How many keys are dealt with at once, except for what comes in one answer: the next ones are read meanwhile. */
const keysAtOnce = 5_000
/** The bytes of a batch of that many keys: 8 MB. */
const bytesPerKey = (2 * Weights.readBytes) / keysAtOnce

const weigh = (event: WatchEvent): number =>
  event._tag === "Snapshot" ? Math.max(event.entries.length, Weights.bytesOf(event) / bytesPerKey) : 0

const make = (queries: number | undefined) =>
  Effect.gen(function* () {
    const consul = yield* ConsulHttp
    const { placeOf, poolsOf } = yield* WatchPlaces.make(consul, queries)

    /** In one way or the other, for as long as it serves. */
    const watchOnce = Effect.fnUntraced(function* (
      sources: Effect.Effect<SourceReader.SourceReader, never, Scope.Scope>,
      source: SourceReader.SourceReader,
      options: WatchPlan.WatchSettings,
      kept: WatchPlan.WatchMeans,
      reports: WatchPlan.Emit
    ) {
      const whole = SingleWatch.watch(source, options, kept, reports)
      const { weights } = kept
      const isLight = !weights.areUnknown && weights.total(0) <= Weights.wholeBytes
      if (options.shards === 1 && isLight) return yield* whole
      const first = yield* ShardedWatch.divide(source, options, kept)
      return yield* Option.match(first, {
        onNone: () => whole,
        onSome: (first) => ShardedWatch.watch(sources, options, kept, reports, first)
      })
    })

    const watch = Effect.fnUntraced(function* (
      options: WatchPlan.WatchSettings,
      pools: WatchPlan.QueryPools,
      reports: WatchPlan.Emit
    ) {
      const { budget, sources } = yield* placeOf(options)
      const kept: WatchPlan.WatchMeans = { ...pools, budget: yield* budget.join(options.shards) }
      const source = yield* sources
      yield* Effect.forkScoped(Pulse.keep(yield* sources, options.prefix, reports.liveness))
      for (;;) {
        const [took] = yield* Effect.timed(watchOnce(sources, source, options, kept, reports))
        // A source that contradicts itself is not asked without end.
        const pause = Duration.subtract(Schedules.restartPause, took)
        yield* Effect.sleep(Duration.millis(Math.ceil(Duration.toMillis(pause))))
      }
    })

    const complete = (options: WatchOptions): WatchPlan.WatchSettings => ({
      source: options.source,
      prefix: options.prefix,
      shards: options.shards ?? defaults.shards,
      keysEach: options.keysEach ?? defaults.keysEach
    })

    const events = (
      options: WatchOptions
    ): Stream.Stream<Arr.NonEmptyReadonlyArray<WatchEvent>, ConsulError> =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const { offer, stream } = yield* Handoff.make<WatchEvent>({ weigh, most: keysAtOnce })
          const given = complete(options)
          const reports: WatchPlan.Emit = {
            emit: offer,
            liveness: options.liveness ?? (yield* Liveness.make)
          }
          const watching = Effect.scoped(watch(given, yield* poolsOf(given), reports))
          return Stream.interruptWhen(stream, watching)
        })
      )

    const once = <A>(
      options: WatchOptions,
      ask: (source: SourceReader.SourceReader) => Effect.Effect<A, ConsulError>
    ): Effect.Effect<A, ConsulError> =>
      Effect.flatMap(placeOf(options), ({ sources }) => sources).pipe(
        Effect.flatMap((source) => SourceReader.retrying(source)(ask(source))),
        Effect.scoped
      )

    const confirmInPieces: Service["confirmInPieces"] = (options, use) =>
      Effect.flatMap(placeOf(options), ({ sources }) => sources).pipe(
        Effect.flatMap((source) => {
          const retrying = SourceReader.retrying(source)
          const reads: PiecewiseRead.Reads = {
            read: (...given) => retrying(source.read(...given)),
            names: (...given) => retrying(source.names(...given)),
            isNameable: source.isNameable
          }
          return PiecewiseRead.readInPieces(reads, options.range, Weights.wholeBytes, use)
        }),
        Effect.scoped,
        Effect.withSpan("Watcher.confirmInPieces")
      )

    const confirm = Effect.fn("Watcher.confirm")(function* (
      options: WatchOptions & { readonly range: KeyRange }
    ) {
      const { range } = options
      const parts: Array<KeyValues> = []
      const index = yield* confirmInPieces(options, (_, { value }) => Effect.sync(() => parts.push(value)))
      const value: KeyValues = {
        entries: parts.flatMap(({ entries }) => entries),
        invalidUtf8Keys: parts.flatMap(({ invalidUtf8Keys }) => invalidUtf8Keys),
        malformed: parts.flatMap(({ malformed }) => malformed)
      }
      const of = value.entries.length
      return {
        _tag: "Snapshot",
        ...value,
        range,
        index,
        restarted: false,
        totalKeys: of
      } satisfies Snapshot
    })

    const names = Effect.fn("Watcher.names")(function* (
      options: WatchOptions & { readonly before?: ReadonlyArray<string> | undefined }
    ) {
      const { before, prefix } = options
      const { value } = yield* once(options, ({ names }) =>
        names(prefix, { ...SourceReader.current, before })
      )
      return value
    })

    const presence = Effect.fn("Watcher.presence")(function* (
      options: WatchOptions & { readonly keys: ReadonlyArray<string> }
    ) {
      return yield* once(options, ({ presence }) => presence(options.keys))
    })

    const view = (prefix: string, given: PrefixOptions = {}): PrefixView.Source<ConsulError> => ({
      prefix,
      events: events({ source: {}, ...given, prefix })
    })

    const { check, closed, whileOpen } = yield* OpenScope.make(
      "the Watcher was used after the scope of its layer was closed: provide the layer to the effect that watches, not to the " +
        "one that takes the service out of it"
    )
    const streamWhileOpen = <A>(stream: Stream.Stream<A, ConsulError>) =>
      Stream.unwrap(Effect.as(check, Stream.interruptWhen(stream, closed)))
    return Watcher.of({
      changes: (...given) => streamWhileOpen(PrefixView.changes(view(...given))),
      confirm: (options) => whileOpen(confirm(options)),
      confirmInPieces: (options, use) => whileOpen(confirmInPieces(options, use)),
      events: (options) => streamWhileOpen(events(options)),
      names: (options) => whileOpen(names(options)),
      presence: (options) => whileOpen(presence(options)),
      snapshots: (...given) => streamWhileOpen(PrefixView.snapshots(view(...given)))
    })
  })

/**
 * `queries` is how many blocking queries all watches of one agent share, 90 unless given. Each has one for the whole of its
 * prefix. Those that watch theirs in parts share the rest by their number of keys.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerWith = (
  options: { readonly queries?: number | undefined } = {}
): Layer.Layer<Watcher, never, ConsulHttp> => Layer.scoped(Watcher, make(options.queries))

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Watcher, never, ConsulHttp> = layerWith()

/**
 * `events` of the service in the environment.
 *
 * @since 0.1.0
 * @category accessors
 */
export const events = (
  ...given: Parameters<Service["events"]>
): Stream.Stream<Arr.NonEmptyReadonlyArray<WatchEvent>, ConsulError, Watcher> =>
  Stream.unwrap(Effect.map(Watcher, (watcher) => watcher.events(...given)))

/**
 * `snapshots` of the service in the environment.
 *
 * @since 0.5.0
 * @category accessors
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Watcher } from "consul-replicate"
 * import { VirtualTime, World } from "consul-replicate/testing"
 * import { Effect, Ref, Stream } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const instance = yield* World.instance()
 *   const keys = yield* Ref.make<ReadonlyArray<string>>([])
 *   const follow = Watcher.snapshots("app/").pipe(
 *     Stream.runForEach(({ entries }) => Ref.set(keys, entries.map(({ key }) => key)))
 *   )
 *   yield* Effect.forkScoped(instance.run(follow))
 *   yield* World.put("sfo1", { "app/color": "blue" })
 *   yield* VirtualTime.pass("1 second")
 *   assert.deepStrictEqual(yield* keys, ["app/color"])
 * }).pipe(Effect.scoped, Effect.provide(World.layer))
 * ```
 */
export const snapshots = (
  ...given: Parameters<Service["snapshots"]>
): Stream.Stream<Contents, ConsulError, Watcher> =>
  Stream.unwrap(Effect.map(Watcher, (watcher) => watcher.snapshots(...given)))

/**
 * `changes` of the service in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const changes = (
  ...given: Parameters<Service["changes"]>
): Stream.Stream<KeyChange, ConsulError, Watcher> =>
  Stream.unwrap(Effect.map(Watcher, (watcher) => watcher.changes(...given)))

/**
 * The members of the service in the environment that return an effect.
 *
 * @since 0.5.0
 * @category accessors
 */
export const { confirm, names, presence } = Effect.serviceFunctions(Watcher)

/**
 * `confirmInPieces` of the service in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const confirmInPieces = <E>(
  options: WatchOptions & { readonly range: KeyRange },
  use: (piece: KeyRange, found: Answer<KeyValues>) => Effect.Effect<void, E>
): Effect.Effect<number, ConsulError | E, Watcher> =>
  Effect.flatMap(Watcher, (watcher) => watcher.confirmInPieces(options, use))
