import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Memo from "../../src/internal/effect/Memo.js"

describe("a value by name", () => {
  it.effect("is made once, also for those who ask while it is made, and is kept until the scope closes", () =>
    Effect.gen(function* () {
      const events = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (event: string) => Ref.update(events, (all) => [...all, event])
      yield* Effect.gen(function* () {
        const get = yield* Memo.make(
          (name: string) => name,
          (name) =>
            Effect.acquireRelease(Effect.zipRight(Effect.yieldNow(), note(`make ${name}`)), () =>
              note(`end ${name}`)
            ).pipe(Effect.as({ name }))
        )
        const all = yield* Effect.forEach(["a", "b", "a", "a"], get, { concurrency: "unbounded" })
        expect(all[2]).toBe(all[0])
        expect(all[3]).toBe(all[0])
        expect(all[1]).toEqual({ name: "b" })
        expect(yield* Ref.get(events)).toEqual(["make a", "make b"])
      }).pipe(Effect.scoped)
      expect((yield* Ref.get(events)).slice(2).sort()).toEqual(["end a", "end b"])
    })
  )
})
