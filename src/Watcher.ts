/**
 * Watches a prefix: a stream of snapshots of its keys, made from one blocking query after another.
 *
 * A small prefix is watched with one query. Consul answers it with all keys at each change. A large prefix is watched in
 * shards, each with a query of its own: a change costs a read of its range, however large the prefix is. One more query, for
 * the names of all keys, shows keys that no shard has.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ConsulError } from "./ConsulError.js"
import { type Answer, ConsulHttp, type Presence } from "./ConsulHttp.js"
import * as PiecewiseRead from "./internal/consul/PiecewiseRead.js"
import * as OpenScope from "./internal/effect/OpenScope.js"
import * as PrefixView from "./internal/source/PrefixView.js"
import * as PrefixWatch from "./internal/source/PrefixWatch.js"
import * as SourceReader from "./internal/source/SourceReader.js"
import type { Contents, KeyChange, Snapshot, WatchEvent } from "./internal/source/WatchEvent.js"
import type { PrefixOptions, WatchOptions } from "./internal/source/WatchOptions.js"
import * as WatchPlaces from "./internal/source/WatchPlaces.js"
import * as Weights from "./internal/source/Weights.js"
import type { KeyRange } from "./KeyRange.js"
import type { KeyValues } from "./KeyValue.js"

export {
  type CaughtUp,
  type Contents,
  KeyChange,
  type Snapshot,
  type WatchEvent
} from "./internal/source/WatchEvent.js"
export { defaults, type PrefixOptions, type WatchOptions } from "./internal/source/WatchOptions.js"

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
     * First the keys that the prefix has now, never stale, then each change: snapshots of ranges, and a `CaughtUp` when every
     * range was read. A small prefix is one range, and a `CaughtUp` follows each of its snapshots in the same batch.
     *
     * Each element is a batch of all events since the previous batch was consumed, so a slow consumer sees several changes as
     * one. A snapshot need not differ from the one before. Transient errors are retried and logged once. The stream fails only
     * with errors that a retry cannot fix.
     */
    readonly events: (
      options: WatchOptions
    ) => Stream.Stream<Arr.NonEmptyReadonlyArray<WatchEvent>, ConsulError>
    /**
     * All keys of the prefix: first as they are now, never stale, then after each change. A prefix that one query watches is
     * read at once, so that the contents are those of one moment. The contents of a prefix that is watched in shards include
     * everything up to `index`. They may include a part of what one transaction wrote later: the next element has the rest.
     * With `shards`: 1, all prefixes of less than 8 MB are read at once.
     *
     * A slow consumer sees several changes as one, and delays only its own stream. Transient errors are retried and logged
     * once. The stream fails only with errors that a retry cannot fix.
     *
     * @since 0.5.0
     */
    readonly snapshots: (prefix: string, options?: PrefixOptions) => Stream.Stream<Contents, ConsulError>
    /**
     * The keys that the prefix has now, as writes, then each change. A slow consumer sees only the last of several writes of a
     * key, and nothing of a key that was written and deleted in between. Writes of one shard come in the order of their keys.
     * Values are not kept. The stream retries and fails as `snapshots` does.
     *
     * @since 0.5.0
     */
    readonly changes: (prefix: string, options?: PrefixOptions) => Stream.Stream<KeyChange, ConsulError>
    /** Reads a range as it is now, never stale. Retries and fails as `events` does. */
    readonly confirm: (
      options: WatchOptions & { readonly range: KeyRange }
    ) => Effect.Effect<Snapshot, ConsulError>
    /**
     * Reads a range as `confirm` does, in pieces of 8 MB at most, each given to `use` in turn, so that heavy values are not all
     * in memory at once. Returns the index that the range had before any of its pieces was read.
     *
     * @since 0.5.0
     */
    readonly confirmInPieces: <E>(
      options: WatchOptions & { readonly range: KeyRange },
      use: (piece: KeyRange, answer: Answer<KeyValues>) => Effect.Effect<void, E>
    ) => Effect.Effect<number, ConsulError | E>
    /**
     * The names of all keys under the prefix as they are now, never stale. If they are the same as in `before`, an earlier
     * answer, returns `before` itself. Retries and fails as `events` does.
     */
    readonly names: (
      options: WatchOptions & { readonly before?: ReadonlyArray<string> | undefined }
    ) => Effect.Effect<ReadonlyArray<string>, ConsulError>
    /**
     * Which of these keys exist, asked for by name, never stale. Ask before you delete a key that an answer lacked. Retries and
     * fails as `events` does.
     */
    readonly presence: (
      options: WatchOptions & { readonly keys: ReadonlyArray<string> }
    ) => Effect.Effect<Presence, ConsulError>
  }
>() {}

type Service = Context.Tag.Service<Watcher>
/** Asks a source once, with retries. */
const once = <A>(
  { placeOf }: WatchPlaces.WatchPlaces,
  options: WatchOptions,
  ask: (source: SourceReader.SourceReader) => Effect.Effect<A, ConsulError>
): Effect.Effect<A, ConsulError> =>
  Effect.flatMap(placeOf(options), ({ sources }) => sources).pipe(
    Effect.flatMap((source) => SourceReader.retrying(source)(ask(source))),
    Effect.scoped
  )

const confirmPieces = <E>(
  { placeOf }: WatchPlaces.WatchPlaces,
  options: WatchOptions & { readonly range: KeyRange },
  use: (piece: KeyRange, answer: Answer<KeyValues>) => Effect.Effect<void, E>
): Effect.Effect<number, ConsulError | E> =>
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

const confirmRange = Effect.fn("Watcher.confirm")(function* (
  places: WatchPlaces.WatchPlaces,
  options: WatchOptions & { readonly range: KeyRange }
) {
  const { range } = options
  const parts: Array<KeyValues> = []
  const index = yield* confirmPieces(places, options, (_, { value }) => Effect.sync(() => parts.push(value)))
  const entries = parts.flatMap(({ entries }) => entries)
  return {
    _tag: "Snapshot",
    entries,
    invalidUtf8Keys: parts.flatMap(({ invalidUtf8Keys }) => invalidUtf8Keys),
    malformed: parts.flatMap(({ malformed }) => malformed),
    range,
    index,
    restarted: false,
    totalKeys: entries.length
  } satisfies Snapshot
})

const listNames = Effect.fn("Watcher.names")(function* (
  places: WatchPlaces.WatchPlaces,
  options: WatchOptions & { readonly before?: ReadonlyArray<string> | undefined }
) {
  const { before, prefix } = options
  const { value } = yield* once(places, options, ({ names }) =>
    names(prefix, { ...SourceReader.current, before })
  )
  return value
})

const askPresence = Effect.fn("Watcher.presence")(function* (
  places: WatchPlaces.WatchPlaces,
  options: WatchOptions & { readonly keys: ReadonlyArray<string> }
) {
  return yield* once(places, options, ({ presence }) => presence(options.keys))
})

const view = (
  places: WatchPlaces.WatchPlaces,
  prefix: string,
  options: PrefixOptions = {}
): PrefixView.Source<ConsulError> => ({
  prefix,
  events: PrefixWatch.events(places, { source: {}, ...options, prefix })
})

const make = (queries: number | undefined) =>
  Effect.gen(function* () {
    const places = yield* WatchPlaces.make(yield* ConsulHttp, queries)
    const { check, closed, whileOpen } = yield* OpenScope.make(
      "the Watcher was used after the scope of its layer was closed: provide the layer to the effect that watches, not to the " +
        "one that takes the service out of it"
    )
    const streamWhileOpen = <A>(stream: Stream.Stream<A, ConsulError>) =>
      Stream.unwrap(Effect.as(check, Stream.interruptWhen(stream, closed)))
    return Watcher.of({
      changes: (...given) => streamWhileOpen(PrefixView.changes(view(places, ...given))),
      confirm: (options) => whileOpen(confirmRange(places, options)),
      confirmInPieces: (options, use) => whileOpen(confirmPieces(places, options, use)),
      events: (options) => streamWhileOpen(PrefixWatch.events(places, options)),
      names: (options) => whileOpen(listNames(places, options)),
      presence: (options) => whileOpen(askPresence(places, options)),
      snapshots: (...given) => streamWhileOpen(PrefixView.snapshots(view(places, ...given)))
    })
  })

/**
 * `queries` is how many blocking queries all watches of one agent share, 90 unless given. Each watch has one query for its whole
 * prefix. Watches in shards share the rest by their number of keys.
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
  use: (piece: KeyRange, answer: Answer<KeyValues>) => Effect.Effect<void, E>
): Effect.Effect<number, ConsulError | E, Watcher> =>
  Effect.flatMap(Watcher, (watcher) => watcher.confirmInPieces(options, use))
