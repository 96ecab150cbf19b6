import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import type { Answer, Consul } from "../../src/ConsulHttp.js"
import * as DriftScan from "../../src/internal/destination/DriftScan.js"
import * as DestinationIndex from "../../src/internal/plan/DestinationIndex.js"
import * as Exclusion from "../../src/internal/plan/Exclusion.js"
import { destinationKeys } from "../../src/internal/plan/Mapping.js"
import type { KeyValue } from "../../src/KeyValue.js"
import * as Value from "../../src/Value.js"

const mapping = {
  prefix: "global/",
  destinationPrefix: "global/",
  owned: new Set<string>(),
  excluded: Exclusion.none
}

const entry = (key: string): KeyValue => ({
  key,
  value: Value.fromText(key),
  flags: 0n,
  session: undefined,
  lockIndex: 0,
  createIndex: 1,
  modifyIndex: 1
})

const answer = <A>(value: A): Effect.Effect<Answer<A>> =>
  Effect.succeed({ value, index: 7, knownLeader: true, lastContact: 0 })

/** A destination that holds keys, whatever it is asked for, and counts how often it is read. */
const holding = (...names: ReadonlyArray<string>) => {
  let reads = 0
  const kv: Pick<Consul["kv"], "entry" | "isNameable" | "keys" | "list" | "moved"> = {
    entry: () => Effect.dieMessage("no key is asked for alone"),
    isNameable: () => true,
    keys: () => answer(names),
    moved: () => answer(names.length > 0),
    list: () => {
      reads += 1
      return answer({ entries: names.map(entry), invalidUtf8Keys: [], malformed: [] })
    }
  }
  return { kv, reads: () => reads }
}

/** A destination that holds keys and answers as Consul does. */
const storing = (
  names: ReadonlyArray<string>
): Pick<Consul["kv"], "entry" | "isNameable" | "keys" | "list" | "moved"> => {
  const found = (isIn: (name: string) => boolean) =>
    answer({ entries: [...names].sort().filter(isIn).map(entry), invalidUtf8Keys: [], malformed: [] })
  return {
    entry: (key) => found((name) => name === key),
    isNameable: () => true,
    keys: (prefix) => answer([...names].sort().filter((name) => name.startsWith(prefix))),
    moved: (prefix) => answer(names.some((name) => name.startsWith(prefix))),
    list: (prefix) => found((name) => name.startsWith(prefix))
  }
}

/** Time that passes, and a time of day that somebody sets. */
const settable = Effect.map(Effect.clock, (clock) => {
  let millis = 1_000_000_000_000
  let nanos = 0n
  return {
    clock: {
      ...clock,
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => millis,
      unsafeCurrentTimeNanos: () => nanos,
      currentTimeMillis: Effect.sync(() => millis),
      currentTimeNanos: Effect.sync(() => nanos),
      sleep: clock.sleep
    } satisfies Clock.Clock,
    pass: (duration: Duration.DurationInput, shownAs: Duration.DurationInput) => {
      nanos += Duration.unsafeToNanos(duration)
      millis += Duration.toMillis(shownAs)
    }
  }
})

describe("Survey", () => {
  it.effect.each([
    ["back", "-1 hours"],
    ["ahead", "2 hours"]
  ] as const)("goes by the time that passes, where somebody sets the clock %s", ([, shownAs]) =>
    Effect.gen(function* () {
      const { clock, pass } = yield* settable
      const { kv, reads } = holding("global/a")
      const contents = DestinationIndex.empty()
      const look = (cursor: DriftScan.ScanCursor) =>
        Effect.map(
          Effect.withClock(DriftScan.scan(kv, mapping, contents, cursor, 100), clock),
          ({ cursor }) => cursor
        )
      const first = yield* look(DriftScan.startOfScan)
      pass("9 minutes", shownAs)
      const second = yield* look(first)
      expect(reads()).toBe(1)
      pass("11 minutes", shownAs)
      yield* look(second)
      expect(reads()).toBe(2)
    })
  )

  it.effect("does not take keys beside the destination prefix for its own, whatever is answered", () =>
    Effect.gen(function* () {
      const { kv } = holding("app/password", "global/a")
      const contents = DestinationIndex.empty()
      yield* DriftScan.scan(kv, mapping, contents, DriftScan.startOfScan, 1)
      expect([...contents.keys()]).toEqual(["global/a"])
    })
  )

  it.effect.prop(
    "that is interrupted finds the same with the rest as one that is not, however little is read at once",
    [
      fc.uniqueArray(fc.tuple(fc.nat(400), fc.boolean(), fc.boolean()), {
        maxLength: 60,
        selector: ([name]) => name
      }),
      fc.integer({ min: 0, max: 3_000 })
    ],
    ([given, mostBytes]) =>
      Effect.gen(function* () {
        const name = (i: number) => `global/${String(i).padStart(3, "0")}`
        const there = given.filter(([, isThere]) => isThere).map(([i]) => name(i))
        const known = given.filter(([, , isKnown]) => isKnown).map(([i]) => name(i))
        const scanAll = Effect.fnUntraced(function* (most: number | undefined) {
          const contents = DestinationIndex.empty()
          for (const key of destinationKeys(known))
            contents.set(key, DestinationIndex.fingerprint(btoa(key), 0n))
          const drifted: Array<string> = []
          let cursor = DriftScan.startOfScan
          do {
            const after = yield* DriftScan.scan(storing(there), mapping, contents, cursor, 4, most)
            cursor = after.cursor
            for (const { keys } of after.drifted)
              drifted.push(...keys.changed, ...keys.missing, ...keys.extra)
          } while (cursor.rest !== undefined)
          return { drifted: drifted.sort(), keys: [...contents.keys()] }
        })
        const atOnce = yield* scanAll(undefined)
        expect(yield* scanAll(mostBytes)).toEqual(atOnce)
        expect(atOnce.keys).toEqual([...there].sort())
      })
  )
})
