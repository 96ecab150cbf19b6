import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Oddities from "../../src/internal/report/Oddities.js"
import { under } from "../../src/KeyRange.js"
import * as Replication from "../../src/Replication.js"
import * as Value from "../../src/Value.js"
import type { Snapshot } from "../../src/Watcher.js"
import * as Events from "../support/Events.js"

const replication = Effect.runSync(Replication.make({ source: "nyc1" }))

const snapshot = (locked: ReadonlyArray<string>, unnameable: ReadonlyArray<string> = []): Snapshot => ({
  _tag: "Snapshot",
  range: under("global/"),
  index: 7,
  restarted: false,
  totalKeys: locked.length,
  entries: locked.map((key) => ({
    key,
    value: Value.empty,
    flags: 0n,
    lockIndex: 1,
    createIndex: 5,
    modifyIndex: 7,
    session: "73bd…"
  })),
  invalidUtf8Keys: unnameable,
  malformed: []
})

const emitted = (...snapshots: ReadonlyArray<Snapshot>) =>
  Effect.gen(function* () {
    const { collect, events } = Events.make()
    const oddities = yield* Oddities.make(replication, [])
    yield* Effect.forEach(snapshots, oddities.snapshot).pipe(collect)
    return events
  })

describe("oddities of the source", () => {
  it.effect("name a key that is locked once, however often it is locked", () =>
    Effect.gen(function* () {
      const events = yield* emitted(snapshot(["global/a"]), snapshot([]), snapshot(["global/a"]))
      expect(events).toMatchObject([{ _tag: "LocksNotCopied", keys: ["global/a"], isLast: false }])
    })
  )

  it.effect("have an end where each lock has a name of its own, and other oddities are named still", () =>
    Effect.gen(function* () {
      const locks = Array.from({ length: 5_000 }, (_, i) => snapshot([`global/lock-${i}`]))
      const events = yield* emitted(...locks, snapshot([], ["global/\udcff"]))
      expect(events).toHaveLength(1_001)
      expect(events.at(-2)).toMatchObject({ _tag: "LocksNotCopied", isLast: true })
      expect(events.at(-1)).toMatchObject({ _tag: "KeysNotUtf8", keys: ["global/\udcff"] })
    })
  )
})
