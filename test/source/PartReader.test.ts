import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { Answer } from "../../src/ConsulHttp.js"
import * as Monotonic from "../../src/internal/effect/Monotonic.js"
import { Listing } from "../../src/internal/source/Listing.js"
import * as Liveness from "../../src/internal/source/Liveness.js"
import * as PartReader from "../../src/internal/source/PartReader.js"
import type { SourceReader } from "../../src/internal/source/SourceReader.js"
import { Weights } from "../../src/internal/source/Weights.js"
import * as KeyRange from "../../src/KeyRange.js"
import type { KeyValues } from "../../src/KeyValue.js"
import * as Value from "../../src/Value.js"

const range = KeyRange.under("a/")

const answer = <A>(index: number, value: A): Answer<A> => ({
  value,
  index,
  knownLeader: true,
  lastContact: 0
})

const entry = (key: string) => ({
  key,
  value: Value.empty,
  flags: 0n,
  session: undefined,
  lockIndex: 0,
  createIndex: 7,
  modifyIndex: 7
})

const contents = (...keys: ReadonlyArray<string>): KeyValues => ({
  entries: keys.map(entry),
  invalidUtf8Keys: [],
  malformed: []
})

const source: SourceReader = {
  read: () => Effect.succeed(answer(7, contents("a/1", "a/2"))),
  newer: () => Effect.succeed(answer(7, Option.none())),
  moved: () => Effect.succeed(answer(7, true)),
  presence: () => Effect.succeed({ absent: new Set(), unreadable: new Set(), created: new Map() }),
  names: () => Effect.succeed(answer(7, ["a/1", "a/2"])),
  isNameable: () => true,
  failed: () => Effect.void,
  answered: Effect.void
}

/** A reader of a prefix whose listing has two keys, and the number of snapshots that the reader has emitted. */
const makeReader = () => {
  const listing = new Listing()
  listing.set(["a/1", "a/2"])
  let emitted = 0
  const state = PartReader.makeState({
    weights: new Weights(),
    listing,
    emit: () =>
      Effect.sync(() => {
        emitted += 1
      }),
    failed: Effect.void
  })
  return { state, emitted: () => emitted }
}

describe("a reader of parts", () => {
  it.effect("reads a range again that lacks a listed key, if a later listing has that key", () =>
    Effect.gen(function* () {
      const { state } = makeReader()
      let reads = 0
      const read = Effect.sync(() => {
        reads += 1
        return reads === 1 ? answer(7, contents("a/1")) : answer(8, contents("a/1", "a/2"))
      })
      const names = Effect.succeed(answer(8, ["a/1", "a/2"]))
      const changing = { ...source, read: () => read, names: () => names }
      const { index } = yield* PartReader.look(state, changing, PartReader.fullTrust, range)
      expect({ index, reads }).toEqual({ index: 8, reads: 2 })
    })
  )

  it.effect("fails if a listing at the same index has a key that the answer lacks", () =>
    Effect.gen(function* () {
      const { state } = makeReader()
      const hiding = { ...source, read: () => Effect.succeed(answer(7, contents("a/1"))) }
      const result = yield* Effect.either(PartReader.look(state, hiding, PartReader.fullTrust, range))
      expect(Either.isLeft(result) && result.left._tag).toBe("UnexpectedAnswer")
    })
  )

  it.effect("believes an answer without a listed key if a second listing lacks that key too", () =>
    Effect.gen(function* () {
      const { state } = makeReader()
      const deleted = {
        ...source,
        read: () => Effect.succeed(answer(8, contents("a/1"))),
        names: () => Effect.succeed(answer(8, ["a/1"]))
      }
      const { value } = yield* PartReader.look(state, deleted, PartReader.fullTrust, range)
      expect(Option.map(value.unread, ({ entries }) => entries.length)).toEqual(Option.some(1))
      expect(state.listing.lacking(range, contents("a/1"))).toEqual([])
    })
  )

  it.effect(
    "emits a range once while its version stays the same, and again if nothing read before counts",
    () =>
      Effect.gen(function* () {
        const { emitted, state } = makeReader()
        const topic = yield* Effect.flatMap(Liveness.make, (liveness) => liveness.topic())
        const examine = (trust: PartReader.Trust) => PartReader.examine(state, source, topic, trust)(range)
        expect(yield* examine(PartReader.fullTrust)).toBe(true)
        expect(yield* examine(PartReader.fullTrust)).toBe(false)
        expect(yield* examine(PartReader.noTrust)).toBe(true)
        expect(emitted()).toBe(2)
      }).pipe(Effect.scoped)
  )

  it.effect(
    "trusts a version for ten minutes after the source confirmed it, and not from before a restart",
    () =>
      Effect.gen(function* () {
        const { state } = makeReader()
        yield* PartReader.emitRange(state, { ...contents("a/1"), range, index: 7 })
        const readAt = yield* Monotonic.now
        const indexAt = (trust: PartReader.Trust) =>
          Effect.map(Monotonic.now, (now) => PartReader.lastVersion(state, range, trust, now)?.index)
        yield* TestClock.adjust("9 minutes")
        expect(yield* indexAt(PartReader.fullTrust)).toBe(7)
        expect(yield* indexAt({ ...PartReader.fullTrust, notBefore: readAt + 1 })).toBeUndefined()
        const confirmedAt = yield* Monotonic.now
        yield* TestClock.adjust("1 minute")
        expect(yield* indexAt(PartReader.fullTrust)).toBeUndefined()
        expect(yield* indexAt({ ...PartReader.fullTrust, since: confirmedAt })).toBe(7)
      })
  )
})
