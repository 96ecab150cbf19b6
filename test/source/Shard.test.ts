import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { Answer, ReadOptions } from "../../src/ConsulHttp.js"
import * as Liveness from "../../src/internal/source/Liveness.js"
import type { Shard } from "../../src/internal/source/ShardLayout.js"
import type { SourceReader } from "../../src/internal/source/SourceReader.js"
import * as KeyRange from "../../src/KeyRange.js"
import type { KeyValues } from "../../src/KeyValue.js"
import * as Value from "../../src/Value.js"
import { makeShards } from "../support/Sharding.js"

/** A source with one key under each prefix, which blocks as Consul does, and its requests. */
const makeSource = (prefixes: ReadonlyArray<string>) => {
  const indexes = new Map(prefixes.map((prefix) => [prefix, 7]))
  const requests: Array<string> = []
  let last = 7
  let changed = Deferred.unsafeMake<void>(FiberId.none)

  const indexOf = (prefix: string) =>
    Math.max(...prefixes.filter((one) => one.startsWith(prefix)).map((one) => indexes.get(one) ?? 0))

  const valuesOf = (prefix: string): KeyValues => ({
    entries: prefixes
      .filter((one) => one.startsWith(prefix))
      .map((key) => ({
        key,
        value: Value.fromText("value"),
        flags: 0n,
        session: undefined,
        createIndex: 1,
        modifyIndex: indexes.get(key) ?? 0,
        lockIndex: 0
      })),
    invalidUtf8Keys: [],
    malformed: []
  })

  /** Waits until the index of the prefix is later than that of the query, or its wait is over. Returns whether it is later. */
  const block = (prefix: string, { index = 0, wait = Duration.zero }: ReadOptions) => {
    const isLater = (): Effect.Effect<boolean> =>
      Effect.suspend(() =>
        indexOf(prefix) > index
          ? Effect.succeed(true)
          : Effect.flatMap(Deferred.await(changed), () => isLater())
      )
    return Effect.map(Effect.timeoutOption(isLater(), wait), Option.isSome)
  }

  const answer = <A>(
    request: string,
    prefix: string,
    options: ReadOptions,
    value: (isLater: boolean) => A
  ): Effect.Effect<Answer<A>> =>
    Effect.suspend(() => {
      const isBlocking = options.index !== undefined && options.index > 0
      requests.push(`${isBlocking ? "blocking " : ""}${request} ${prefix}`)
      return Effect.map(isBlocking ? block(prefix, options) : Effect.succeed(true), (isLater) => ({
        value: value(isLater),
        index: indexOf(prefix),
        knownLeader: true,
        lastContact: 0
      }))
    })

  const source: SourceReader = {
    read: ({ prefix }, options) => answer("read", prefix, options, () => valuesOf(prefix)),
    newer: ({ prefix }, options) =>
      answer("newer", prefix, options, (isLater) =>
        isLater ? Option.some(valuesOf(prefix)) : Option.none()
      ),
    moved: (prefix, options) => answer("moved", prefix, options, () => true),
    names: (prefix, options) => answer("names", prefix, options, () => prefixes),
    presence: () => Effect.die("no key is asked for by name"),
    isNameable: () => true,
    failed: () => Effect.void,
    answered: Effect.void
  }

  /** Changes the key under a prefix. */
  const change = (prefix: string) =>
    Effect.suspend(() => {
      last += 1
      indexes.set(prefix, last)
      const before = changed
      changed = Deferred.unsafeMake<void>(FiberId.none)
      return Deferred.succeed(before, undefined)
    })

  /** The requests since the last call. */
  const takeRequests = () => requests.splice(0)

  return { source, change, takeRequests }
}

/** Watches one shard. Its first read is over, and its queries block. */
const watch = (source: SourceReader, shard: Shard) =>
  Effect.gen(function* () {
    const emitted: Array<string> = []
    const shards = yield* makeShards({
      source,
      liveness: yield* Liveness.make,
      emit: ({ range }) => Effect.sync(() => void emitted.push(range.prefix))
    })
    yield* shards.watch([shard])
    yield* shards.awaitFirstRead
    yield* shards.startBlocking
    yield* settle
    return { takeEmitted: () => emitted.splice(0) }
  })

/** Lets everything run that needs no time. */
const settle = TestClock.adjust(0)

describe("a shard", () => {
  it.scoped(
    "of several parts reads those that have changed, and examines first those that changed last",
    () =>
      Effect.gen(function* () {
        const prefixes = ["a0", "a1", "a2", "a3", "a4", "a5"]
        const { change, source, takeRequests } = makeSource(prefixes)
        const shard: Shard = { range: KeyRange.under("a"), parts: prefixes.map(KeyRange.under) }
        const { takeEmitted } = yield* watch(source, shard)
        expect(takeEmitted()).toEqual(prefixes)
        expect(takeRequests().at(-1)).toBe("blocking moved a")

        yield* change("a5")
        yield* settle
        const requests = takeRequests()
        expect(requests.filter((one) => one.startsWith("moved"))).toEqual(
          prefixes.map((part) => `moved ${part}`)
        )
        expect(requests.filter((one) => one.startsWith("read"))).toEqual(["read a5"])
        expect(takeEmitted()).toEqual(["a5"])

        yield* change("a5")
        yield* settle
        expect(takeRequests()[0]).toBe("moved a5")
        expect(takeEmitted()).toEqual(["a5"])
      })
  )

  it.scoped(
    "of few keys asks for its index while it is quiet, and for all keys while they go on changing",
    () =>
      Effect.gen(function* () {
        const { change, source, takeRequests } = makeSource(["a"])
        const range = KeyRange.under("a")
        const { takeEmitted } = yield* watch(source, { range, parts: [range] })
        expect(takeRequests()).toEqual(["read a", "blocking moved a"])
        expect(takeEmitted()).toEqual(["a"])

        yield* change("a")
        yield* settle
        expect(takeRequests()).toEqual(["read a", "blocking newer a"])
        expect(takeEmitted()).toEqual(["a"])

        yield* change("a")
        yield* settle
        expect(takeRequests()).toEqual(["blocking newer a"])
        expect(takeEmitted()).toEqual(["a"])

        yield* TestClock.adjust("3 minutes")
        expect(takeRequests()[0]).toBe("blocking moved a")
        expect(takeEmitted()).toEqual([])
      })
  )
})
