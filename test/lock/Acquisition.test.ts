import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { WatchedKey } from "../../src/internal/consul/WatchedKey.js"
import * as Acquisition from "../../src/internal/lock/Acquisition.js"
import type { KeyValue } from "../../src/KeyValue.js"
import * as Value from "../../src/Value.js"

const fence = { lock: "leader", session: "ours" }

const entry = (session: string | undefined): Option.Option<KeyValue> =>
  Option.some({
    key: fence.lock,
    value: Value.fromText(""),
    flags: 0n,
    session,
    lockIndex: 1,
    createIndex: 1,
    modifyIndex: 1
  })

/** A key that has these entries, one after another, and the last one for good. */
const keyWith = (...entries: ReadonlyArray<Option.Option<KeyValue>>): Pick<WatchedKey, "awaitUntil"> => ({
  awaitUntil: (fulfils) =>
    Option.match(Option.fromNullable(entries.find(fulfils)), {
      onNone: () => Effect.never,
      onSome: Effect.succeed
    })
})

const losses: ReadonlyArray<{ readonly reason: string; readonly lost: Option.Option<KeyValue> }> = [
  { reason: "the key was deleted", lost: Option.none() },
  { reason: "the session ended or gave it back", lost: entry(undefined) },
  { reason: "another session holds it", lost: entry("theirs") }
]

describe("the watch of the lock", () => {
  it.effect.each(losses)("fails when $reason", ({ lost, reason }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Acquisition.watchLock(keyWith(entry("ours"), lost), fence))
      expect(error.message).toBe(`lost the lock leader: ${reason}`)
    })
  )
})
