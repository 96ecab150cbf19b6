/**
 * Watches a prefix in the better of two ways, with one query or in shards, and changes to the other when that becomes the better.
 */
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConsulError } from "../../ConsulError.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import * as Handoff from "./Handoff.js"
import * as Liveness from "./Liveness.js"
import * as Pulse from "./Pulse.js"
import * as ShardedWatch from "./ShardedWatch.js"
import * as SingleWatch from "./SingleWatch.js"
import type { SourceReader } from "./SourceReader.js"
import type { WatchEvent } from "./WatchEvent.js"
import { defaults, type WatchOptions } from "./WatchOptions.js"
import type { WatchPlaces } from "./WatchPlaces.js"
import type { Emit, QueryPools, WatchMeans, WatchSettings } from "./WatchPlan.js"
import * as Weights from "./Weights.js"

/** The most keys of a batch, unless one answer has more. The next answers are read while a batch is processed. */
const keysAtOnce = 5_000

/** The bytes that count as one key, so that a batch has 8 MB at most. */
const bytesPerKey = (2 * Weights.readBytes) / keysAtOnce

/** How many keys an event counts as in a batch. */
const weigh = (event: WatchEvent): number =>
  event._tag === "Snapshot" ? Math.max(event.entries.length, Weights.bytesOf(event) / bytesPerKey) : 0

const settingsOf = (options: WatchOptions): WatchSettings => ({
  source: options.source,
  prefix: options.prefix,
  shards: options.shards ?? defaults.shards,
  keysEach: options.keysEach ?? defaults.keysEach
})

/** Watches in one of the two ways, until the other is better or the source has another history. */
const watchOnce = Effect.fnUntraced(function* (
  sources: Effect.Effect<SourceReader, never, Scope.Scope>,
  source: SourceReader,
  settings: WatchSettings,
  means: WatchMeans,
  reports: Emit
) {
  const single = SingleWatch.watch(source, settings, means, reports)
  const { weights } = means
  const isLight = !weights.areUnknown && weights.total(0) <= Weights.wholeBytes
  if (settings.shards === 1 && isLight) return yield* single
  const division = yield* ShardedWatch.divide(source, settings, means)
  return yield* Option.match(division, {
    onNone: () => single,
    onSome: (division) => ShardedWatch.watch(sources, settings, means, reports, division)
  })
})

/** Watches until the scope closes. Fails with errors that a retry cannot fix. */
const watch = (
  { placeOf }: WatchPlaces,
  pools: QueryPools,
  settings: WatchSettings,
  reports: Emit
): Effect.Effect<never, ConsulError, Scope.Scope> =>
  Effect.gen(function* () {
    const { budget, sources } = yield* placeOf(settings)
    const means: WatchMeans = { ...pools, budget: yield* budget.join(settings.shards) }
    const source = yield* sources
    yield* Effect.forkScoped(Pulse.keep(yield* sources, settings.prefix, reports.liveness))
    for (;;) {
      const [took] = yield* Effect.timed(watchOnce(sources, source, settings, means, reports))
      // A source that contradicts itself is not asked without end.
      const pause = Duration.subtract(RequestTimes.restartPause, took)
      yield* Effect.sleep(Duration.millis(Math.ceil(Duration.toMillis(pause))))
    }
  })

/** The events of a watch that runs while the stream is consumed. */
export const events = (
  places: WatchPlaces,
  options: WatchOptions
): Stream.Stream<Arr.NonEmptyReadonlyArray<WatchEvent>, ConsulError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const { offer, stream } = yield* Handoff.make<WatchEvent>({ weigh, most: keysAtOnce })
      const liveness = options.liveness ?? (yield* Liveness.make)
      const settings = settingsOf(options)
      const watching = watch(places, yield* places.poolsOf(settings), settings, { emit: offer, liveness })
      return Stream.interruptWhen(stream, Effect.scoped(watching))
    })
  )
