import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ReplicationLog from "../../src/internal/report/ReplicationLog.js"
import { under } from "../../src/KeyRange.js"
import * as Replication from "../../src/Replication.js"
import * as Logs from "../../src/testing/Logs.js"
import * as Value from "../../src/Value.js"
import type { Snapshot } from "../../src/Watcher.js"

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

const said = (...snapshots: ReadonlyArray<Snapshot>) =>
  Effect.gen(function* () {
    const logs = Logs.make()
    const notices = yield* ReplicationLog.make(replication)
    yield* Effect.forEach(snapshots, notices.snapshot).pipe(logs.capture)
    return logs.lines
  }).pipe(Effect.scoped)

describe("Notices", () => {
  it.effect("name a key that is locked once, however often it is locked", () =>
    Effect.gen(function* () {
      const lines = yield* said(snapshot(["global/a"]), snapshot([]), snapshot(["global/a"]))
      expect(lines).toEqual([
        'WARN 1 key at the source ("global/a") locked by a session: the value is copied, the lock is not'
      ])
    })
  )

  it.effect("have an end where each lock has a name of its own, and other oddities are named still", () =>
    Effect.gen(function* () {
      const locks = Array.from({ length: 5_000 }, (_, i) => snapshot([`global/lock-${i}`]))
      const lines = yield* said(...locks, snapshot([], ["global/\udcff"]))
      expect(lines.length).toBeLessThan(1_100)
      expect(lines.at(-2)).toContain("there are so many that no more are named")
      expect(lines.at(-1)).toContain("not valid UTF-8")
    })
  )
})
