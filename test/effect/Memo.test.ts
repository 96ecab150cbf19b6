import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
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

  /** How often a value is made for three fibers that ask at once, of which each yields after so many steps. */
  const timesMade = (
    steps: number,
    getter: (
      create: Effect.Effect<number>
    ) => Effect.Effect<(name: string) => Effect.Effect<number, never, Scope.Scope>, never, Scope.Scope>
  ) =>
    Effect.gen(function* () {
      const made = yield* Ref.make(0)
      const get = yield* getter(Ref.updateAndGet(made, (count) => count + 1))
      yield* Effect.forEach([1, 2, 3], () => Effect.scoped(get("a")), { concurrency: "unbounded" })
      return yield* Ref.get(made)
    }).pipe(Effect.scoped, Effect.withMaxOpsBeforeYield(steps))

  const memo = (create: Effect.Effect<number>) =>
    Memo.make(
      (name: string) => name,
      () => create
    )

  const rcMap = (create: Effect.Effect<number>) =>
    Effect.map(
      RcMap.make({ lookup: (_: string) => create, idleTimeToLive: "1 minute" }),
      (map) => (name: string) => RcMap.get(map, name)
    )

  for (const steps of [12, 20, 50, 2_048]) {
    it.live(`is made once where fibers yield after ${steps} steps`, () =>
      Effect.map(timesMade(steps, memo), (made) => expect(made).toBe(1))
    )
  }

  // If this fails, RcMap can take the place of Memo.
  it.live("is made several times by RcMap (effect 3.22) where fibers yield in the midst of it", () =>
    Effect.map(timesMade(12, rcMap), (made) => expect(made).toBe(3))
  )
})
