/**
 * Reads parts of a prefix, and emits their contents unless their versions show that these were emitted already. However many
 * parts there are, only a few answers are in memory at once, and each is of a limited size.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AnswerTooLarge, type ConsulError, UnexpectedAnswer } from "../../ConsulError.js"
import type { Answer } from "../../ConsulHttp.js"
import * as KeyRange from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import * as RangeVersion from "../consul/RangeVersion.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import * as FifoSemaphore from "../effect/FifoSemaphore.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Listing } from "./Listing.js"
import type { Topic } from "./Liveness.js"
import { current, type Reads, retrying, type SourceReader } from "./SourceReader.js"
import * as Weights from "./Weights.js"

/** The contents of a range, as they were read. */
export interface RangeRead extends KeyValues {
  readonly range: KeyRange.KeyRange
  /** Index of the range (`X-Consul-Index`). */
  readonly index: number
  /** Whether the index is lower than that of the read before. */
  readonly restarted: boolean
}

/** How far back reads of ranges count. */
export interface Trust {
  /** Nothing changed in the ranges between their last read and this time (ms of `Monotonic.now`). */
  readonly since: number
  /** A read before this time (ms of `Monotonic.now`) proves nothing: the source may have had another history. */
  readonly notBefore: number
}

/** Every range is read, whatever was read before. */
export const noTrust: Trust = { since: Number.NEGATIVE_INFINITY, notBefore: Number.POSITIVE_INFINITY }

/** A read counts for as long as an index does. */
export const fullTrust: Trust = { since: Number.NEGATIVE_INFINITY, notBefore: Number.NEGATIVE_INFINITY }

/** The answer of a look at a range. */
export interface Looked {
  /** Whether the range has keys. */
  readonly hasKeys: boolean
  /** The contents of the range; none if they were emitted already. */
  readonly unread: Option.Option<KeyValues>
}

export interface PartReader {
  /** Permits to read. A reader keeps its permit until the consumer has processed what was read. */
  readonly reads: FifoSemaphore.FifoSemaphore
  /** Looks at a range, never stale. Needs no permit. Fails with `AnswerTooLarge` if the range must be divided. */
  readonly look: (
    source: Reads & Pick<SourceReader, "isNameable">,
    trust: Trust,
    range: KeyRange.KeyRange
  ) => Effect.Effect<Answer<Looked>, ConsulError>
  /**
   * Looks at a range with a permit and with retries, and emits its contents if they are new. Returns whether they were. Fails
   * with `AnswerTooLarge` if the range must be divided.
   */
  readonly examine: (
    source: SourceReader,
    topic: Topic,
    trust: Trust
  ) => (range: KeyRange.KeyRange) => Effect.Effect<boolean, ConsulError>
  /** Emits the contents of a range, and remembers its version. */
  readonly emitRange: (read: Omit<RangeRead, "restarted">) => Effect.Effect<void>
  /** Whether an answer lacks keys that were listed. */
  readonly isIncomplete: (range: KeyRange.KeyRange, value: KeyValues) => boolean
  /**
   * The highest index of the keys that were last emitted of these ranges, of all ranges unless given. A part is read after the
   * answer for the whole prefix, and may have a later index. An answer for the whole prefix with a lower index than that of a part
   * is of another history. -Infinity if nothing with keys was emitted.
   */
  readonly highestIndex: (ranges?: ReadonlyArray<KeyRange.KeyRange>) => number
  /** Forgets all ranges except these. */
  readonly keep: (ranges: ReadonlyArray<KeyRange.KeyRange>) => void
  /** These ranges were made as small as they can be. */
  readonly divided: (ranges: ReadonlyArray<KeyRange.KeyRange>) => void
}

/** How many reads run at once while no query blocks. While the consumer processes some of them, others read more. */
const readsAtOnce = 8

/** A range as it was last emitted. */
interface LastVersion {
  readonly version: RangeVersion.RangeVersion
  /** When the source last confirmed the version (ms of `Monotonic.now`). */
  readonly at: number
}

export interface Options {
  readonly weights: Weights.Weights
  /** The names that answers are compared with. */
  readonly listing: Listing
  readonly emit: (read: RangeRead) => Effect.Effect<void>
  /** Runs when a read has failed: the source may have been restarted with older data. */
  readonly failed: Effect.Effect<void>
}

/** The reader of one watch. */
export interface State extends Options {
  readonly reads: FifoSemaphore.FifoSemaphore
  /** By the id of the range. */
  readonly versions: Map<string, LastVersion>
  /** Ids of ranges that cannot be divided. They are read whatever they weigh. */
  indivisible: ReadonlySet<string>
}

export const makeState = (options: Options): State => ({
  ...options,
  reads: FifoSemaphore.make(readsAtOnce),
  versions: new Map(),
  indivisible: new Set()
})

/** The version of a range as it was last emitted, if that counts at the time `now` (ms of `Monotonic.now`). */
export const lastVersion = (
  { versions }: Pick<State, "versions">,
  range: KeyRange.KeyRange,
  { notBefore, since }: Trust,
  now: number
): RangeVersion.RangeVersion | undefined => {
  const last = versions.get(KeyRange.id(range))
  if (last === undefined) return undefined
  const at = Math.max(last.at, since)
  return at >= notBefore && now - at < Duration.toMillis(RequestTimes.indexMaxAge) ? last.version : undefined
}

const isDivisible = ({ indivisible }: State, range: KeyRange.KeyRange): boolean =>
  !range.exact && !indivisible.has(KeyRange.id(range))

/** A read that would be cut off, as the weights show, is not sent. */
const isHopeless = (state: State, range: KeyRange.KeyRange): boolean =>
  isDivisible(state, range) &&
  state.weights.estimate(range, state.listing.count(range)) > 2 * Weights.readBytes

const readOnce = (
  state: State,
  source: Reads,
  range: KeyRange.KeyRange
): Effect.Effect<Answer<KeyValues>, ConsulError> =>
  Effect.suspend(() => {
    const { listing, weights } = state
    if (isHopeless(state, range)) {
      return new AnswerTooLarge({ request: `keys under ${range.prefix}`, maxBytes: Weights.readBytes })
    }
    const limit = isDivisible(state, range) ? { maxBytes: Weights.readBytes } : {}
    return source.read(range, { ...current, ...limit }).pipe(
      Effect.tap(({ value }) =>
        Effect.sync(() => weights.note(range, value.entries.length, Weights.bytesOf(value)))
      ),
      Effect.tapErrorTag("AnswerTooLarge", () =>
        Effect.sync(() => weights.noteTooHeavy(range, listing.count(range), Weights.readBytes))
      )
    )
  })

/**
 * An answer without keys that were listed is believed if a second listing lacks them too. At the same index, a listing
 * that has them contradicts the answer. At a later one they may have been created again.
 */
const read = (
  state: State,
  source: Reads,
  range: KeyRange.KeyRange
): Effect.Effect<Answer<KeyValues>, ConsulError> =>
  Effect.gen(function* () {
    const { listing } = state
    const answer = yield* readOnce(state, source, range)
    const lacking = listing.lacking(range, answer.value)
    if (lacking.length === 0) return answer
    const { index, value } = yield* source.names(range.prefix, current)
    const names = new Set(value)
    const [one, ...others] = lacking.filter((name) => names.has(name))
    if (one === undefined) {
      listing.forget(lacking)
      return answer
    }
    if (index > answer.index) return yield* read(state, source, range)
    const more = others.length === 0 ? "" : ` and ${others.length} more`
    return yield* new UnexpectedAnswer({
      request: `keys under ${JSON.stringify(range.prefix)}`,
      reason: `it lacks keys that the source lists: ${JSON.stringify(one)}${more}`
    })
  })

export const look = (
  state: State,
  source: Reads & Pick<SourceReader, "isNameable">,
  trust: Trust,
  range: KeyRange.KeyRange
): Effect.Effect<Answer<Looked>, ConsulError> =>
  Effect.gen(function* () {
    const { exact, prefix } = range
    const before = lastVersion(state, range, trust, yield* Monotonic.now)
    // The index of one key alone is not that of the prefix, unless no path can name it.
    if (before !== undefined && !(exact && source.isNameable(prefix))) {
      const answer = yield* source.moved(prefix, current)
      if (RangeVersion.equals(RangeVersion.of(answer), before)) {
        state.versions.set(KeyRange.id(range), { version: before, at: yield* Monotonic.now })
        return { ...answer, value: { hasKeys: before.hasKeys, unread: Option.none() } }
      }
    }
    const answer = yield* read(state, source, range)
    const version = RangeVersion.ofEntries(answer)
    const isSame = before !== undefined && RangeVersion.equals(version, before)
    const unread = isSame ? Option.none() : Option.some(answer.value)
    return { ...answer, value: { hasKeys: version.hasKeys, unread } }
  })

export const emitRange = (
  { emit, versions }: Pick<State, "emit" | "versions">,
  read: Omit<RangeRead, "restarted">
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const id = KeyRange.id(read.range)
    const at = yield* Monotonic.now
    const before = versions.get(id)
    yield* emit({ ...read, restarted: before !== undefined && read.index < before.version.index })
    versions.set(id, { version: RangeVersion.ofEntries({ index: read.index, value: read }), at })
  })

/** All ranges that one returned function examines share their trust: it ends with the first failure of any of them. */
export const examine = (
  state: State,
  source: SourceReader,
  topic: Topic,
  trust: Trust
): ((range: KeyRange.KeyRange) => Effect.Effect<boolean, ConsulError>) => {
  let { notBefore } = trust
  const distrust = Effect.map(Monotonic.now, (now) => {
    notBefore = now
  })
  return (range) =>
    Effect.gen(function* () {
      const asking = Effect.suspend(() => look(state, source, { ...trust, notBefore }, range)).pipe(
        Effect.tapError((error) =>
          error._tag === "AnswerTooLarge" ? Effect.void : Effect.zipRight(distrust, state.failed)
        ),
        retrying(source)
      )
      const { index, value } = yield* topic.asking(asking)
      if (Option.isNone(value.unread)) return false
      yield* emitRange(state, { ...value.unread.value, range, index })
      return true
    }).pipe(state.reads)
}

export const highestIndex = (
  { versions }: Pick<State, "versions">,
  ranges?: ReadonlyArray<KeyRange.KeyRange>
): number => {
  const all =
    ranges === undefined ? versions.values() : ranges.map((range) => versions.get(KeyRange.id(range)))
  let highest = Number.NEGATIVE_INFINITY
  for (const one of all) {
    // The index of a range without keys is that of all keys of the datacenter.
    if (one?.version.hasKeys === true) highest = Math.max(highest, one.version.index)
  }
  return highest
}

const keep = ({ versions, weights }: State, ranges: ReadonlyArray<KeyRange.KeyRange>): void => {
  const wanted = new Set(ranges.map(KeyRange.id))
  for (const id of versions.keys()) if (!wanted.has(id)) versions.delete(id)
  weights.keep(ranges)
}

/** Remembers which of these ranges are heavy: they cannot be divided further, and are read without a limit. */
const divided = (state: State, ranges: ReadonlyArray<KeyRange.KeyRange>): void => {
  const { listing, weights } = state
  state.indivisible = new Set(
    ranges
      .filter((range) => weights.estimate(range, listing.count(range)) > Weights.readBytes / 2)
      .map(KeyRange.id)
  )
}

export const make = (options: Options): PartReader => {
  const state = makeState(options)
  return {
    reads: state.reads,
    look: (source, trust, range) => look(state, source, trust, range),
    examine: (source, topic, trust) => examine(state, source, topic, trust),
    emitRange: (read) => emitRange(state, read),
    isIncomplete: (range, value) => state.listing.lacking(range, value).length > 0,
    highestIndex: (ranges) => highestIndex(state, ranges),
    keep: (ranges) => keep(state, ranges),
    divided: (ranges) => divided(state, ranges)
  }
}
