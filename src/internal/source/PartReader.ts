/**
 * Reads parts of a prefix, and emits what they hold, unless their versions show that this was emitted already. However many
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
import * as FifoSemaphore from "../effect/FifoSemaphore.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Schedules from "../Schedules.js"
import type { Listing } from "./Listing.js"
import type { Part } from "./Liveness.js"
import { current, type Reads, retrying, type SourceReader } from "./SourceReader.js"
import * as Weights from "./Weights.js"

/** What was read of a range. */
export interface RangeRead extends KeyValues {
  readonly range: KeyRange.KeyRange
  readonly index: number
  /** Whether its index is lower than that of the read before. */
  readonly restarted: boolean
}

/** How far back reads of ranges count. Times are ms of `Monotonic.now`. */
export interface Trust {
  /** Nothing changed in the ranges between their last read and this time. */
  readonly since: number
  /** A read before this time proves nothing: the source may have had another history. */
  readonly notBefore: number
}

/** Every range is read, whatever was read before. */
export const noTrust: Trust = { since: Number.NEGATIVE_INFINITY, notBefore: Number.POSITIVE_INFINITY }

/** A read counts for as long as an index does. */
export const fullTrust: Trust = { since: Number.NEGATIVE_INFINITY, notBefore: Number.NEGATIVE_INFINITY }

export interface Looked {
  /** Whether the range has keys. */
  readonly hasKeys: boolean
  /** What the range holds; none if that was emitted already. */
  readonly unread: Option.Option<KeyValues>
}

export interface PartReader {
  /** Permits to read. A reader keeps its permit until the consumer has processed what it has found. */
  readonly reads: FifoSemaphore.FifoSemaphore
  /** What is in a range, never stale. Takes no turn, and fails with `AnswerTooLarge` if the range must be divided. */
  readonly look: (
    source: Reads & Pick<SourceReader, "isNameable">,
    trust: Trust,
    range: KeyRange.KeyRange
  ) => Effect.Effect<Answer<Looked>, ConsulError>
  /**
   * Looks at a range in its turn, with retries, and emits what is new. Returns whether there was something. Fails
   * with `AnswerTooLarge` if the range must be divided.
   */
  readonly examine: (
    source: SourceReader,
    part: Part,
    trust: Trust
  ) => (range: KeyRange.KeyRange) => Effect.Effect<boolean, ConsulError>
  /** Emits what a range holds, and remembers its version. */
  readonly emitRange: (read: Omit<RangeRead, "restarted">) => Effect.Effect<void>
  /** Whether an answer lacks keys that were listed. */
  readonly isIncomplete: (range: KeyRange.KeyRange, value: KeyValues) => boolean
  /** The version of a range as it was last emitted, if that counts. */
  readonly lastVersion: (
    range: KeyRange.KeyRange,
    trust: Trust
  ) => Effect.Effect<RangeVersion.RangeVersion | undefined>
  /**
   * The highest index of the keys that were last emitted of these ranges, of all ranges unless given. A part is read after the
   * answer for the whole, and may be of a later index. An answer for the whole with a lower index than that of a part is of
   * another history. No index if nothing with keys was emitted.
   */
  readonly highestIndex: (ranges?: ReadonlyArray<KeyRange.KeyRange>) => number
  /** Forgets all ranges except these. */
  readonly keep: (ranges: ReadonlyArray<KeyRange.KeyRange>) => void
  /** These ranges were made as small as they can be. */
  readonly divided: (ranges: ReadonlyArray<KeyRange.KeyRange>) => void
}

/** Reads at once, where no query blocks: while the consumer processes what some of them read, others read more. */
const readsAtOnce = 8

/** The last word about a range, and when the source confirmed it (ms of `Monotonic.now`). */
interface LastVersion {
  readonly version: RangeVersion.RangeVersion
  readonly at: number
}

export interface Options {
  readonly weights: Weights.Weights
  readonly listing: Listing
  readonly emit: (read: RangeRead) => Effect.Effect<void>
  /** Done when a read has failed: that may have been a restart with older data. */
  readonly failed: Effect.Effect<void>
}

export const make = ({ failed, listing, emit, weights }: Options): PartReader => {
  const all = new Map<string, LastVersion>()
  const reads = FifoSemaphore.make(readsAtOnce)
  /** These are read whatever they weigh. */
  let indivisible: ReadonlySet<string> = new Set()

  const lastVersion: PartReader["lastVersion"] = (range, { notBefore, since }) =>
    Effect.map(Monotonic.now, (now) => {
      const one = all.get(KeyRange.id(range))
      if (one === undefined) return undefined
      const at = Math.max(one.at, since)
      return at >= notBefore && now - at < Duration.toMillis(Schedules.indexMaxAge) ? one.version : undefined
    })

  const isDivisible = (range: KeyRange.KeyRange) => !range.exact && !indivisible.has(KeyRange.id(range))

  /** A read that would be cut off, as the weights show, is not sent. */
  const isHopeless = (range: KeyRange.KeyRange) =>
    isDivisible(range) && weights.estimate(range, listing.count(range)) > 2 * Weights.readBytes

  const readOnce = (source: Reads, range: KeyRange.KeyRange) =>
    Effect.suspend(() => {
      if (isHopeless(range)) {
        return new AnswerTooLarge({ request: `keys under ${range.prefix}`, maxBytes: Weights.readBytes })
      }
      const limit = isDivisible(range) ? { maxBytes: Weights.readBytes } : {}
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
   * that has them contradicts the answer. At a later one they may be there again.
   */
  const read = (source: Reads, range: KeyRange.KeyRange): Effect.Effect<Answer<KeyValues>, ConsulError> =>
    Effect.gen(function* () {
      const answer = yield* readOnce(source, range)
      const lacking = listing.lacking(range, answer.value)
      if (lacking.length === 0) return answer
      const { index, value } = yield* source.names(range.prefix, current)
      const names = new Set(value)
      const [one, ...others] = lacking.filter((name) => names.has(name))
      if (one === undefined) {
        listing.forget(lacking)
        return answer
      }
      if (index > answer.index) return yield* read(source, range)
      const more = others.length === 0 ? "" : ` and ${others.length} more`
      return yield* new UnexpectedAnswer({
        request: `keys under ${JSON.stringify(range.prefix)}`,
        reason: `it lacks keys that the source lists: ${JSON.stringify(one)}${more}`
      })
    })

  const look: PartReader["look"] = (source, trust, range) =>
    Effect.gen(function* () {
      const { exact, prefix } = range
      const before = yield* lastVersion(range, trust)
      // The index of one key alone is not that of the prefix, unless no path can name it.
      if (before !== undefined && !(exact && source.isNameable(prefix))) {
        const answer = yield* source.moved(prefix, current)
        if (RangeVersion.equals(RangeVersion.of(answer), before)) {
          all.set(KeyRange.id(range), { version: before, at: yield* Monotonic.now })
          return { ...answer, value: { hasKeys: before.hasKeys, unread: Option.none() } }
        }
      }
      const answer = yield* read(source, range)
      const version = RangeVersion.ofEntries(answer)
      const isSame = before !== undefined && RangeVersion.equals(version, before)
      const unread = isSame ? Option.none() : Option.some(answer.value)
      return { ...answer, value: { hasKeys: version.hasKeys, unread } }
    })

  const emitRange: PartReader["emitRange"] = (read) =>
    Effect.gen(function* () {
      const id = KeyRange.id(read.range)
      const at = yield* Monotonic.now
      const before = all.get(id)
      yield* emit({ ...read, restarted: before !== undefined && read.index < before.version.index })
      all.set(id, { version: RangeVersion.ofEntries({ index: read.index, value: read }), at })
    })

  return {
    reads,
    look,
    examine: (source, part, trust) => {
      let { notBefore } = trust
      const untrusted = Effect.map(Monotonic.now, (now) => {
        notBefore = now
      })
      return (range) =>
        Effect.gen(function* () {
          const asking = Effect.suspend(() => look(source, { ...trust, notBefore }, range)).pipe(
            Effect.tapError((error) =>
              error._tag === "AnswerTooLarge" ? Effect.void : Effect.zipRight(untrusted, failed)
            ),
            retrying(source)
          )
          const { index, value } = yield* part.asking(asking)
          if (Option.isNone(value.unread)) return false
          yield* emitRange({ ...value.unread.value, range, index })
          return true
        }).pipe(reads)
    },
    emitRange,
    isIncomplete: (range, value) => listing.lacking(range, value).length > 0,
    lastVersion,
    highestIndex: (ranges) => {
      let highest = Number.NEGATIVE_INFINITY
      for (const one of ranges === undefined
        ? all.values()
        : ranges.map((range) => all.get(KeyRange.id(range)))) {
        // The index of a range without keys is that of all keys of the datacenter.
        if (one?.version.hasKeys === true) highest = Math.max(highest, one.version.index)
      }
      return highest
    },
    keep: (ranges) => {
      const wanted = new Set(ranges.map(KeyRange.id))
      for (const id of all.keys()) if (!wanted.has(id)) all.delete(id)
      weights.keep(ranges)
    },
    divided: (ranges) => {
      indivisible = new Set(
        ranges
          .filter((range) => weights.estimate(range, listing.count(range)) > Weights.readBytes / 2)
          .map(KeyRange.id)
      )
    }
  }
}
