import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as OpenScope from "../../src/internal/effect/OpenScope.js"

describe("the use of a service whose scope has closed", () => {
  it.effect(
    "looks like an interruption without OpenScope: a fiber that the scope forks ends so at once",
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Scope.close(scope, Exit.void)
        const fiber = yield* Effect.forkIn(Effect.never, scope)
        expect(Exit.isInterrupted(yield* Fiber.await(fiber))).toBe(true)
      })
  )

  it.effect("dies with a message by OpenScope, whether it began before or after the scope closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const open = yield* Scope.extend(OpenScope.make("the lock is closed"), scope)
      expect(yield* open.whileOpen(Effect.succeed(7))).toBe(7)
      const fiber = yield* Effect.fork(open.whileOpen(Effect.never))
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      for (const exit of [yield* Fiber.await(fiber), yield* Effect.exit(open.whileOpen(Effect.never))]) {
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("the lock is closed")
        expect(Exit.isInterrupted(exit)).toBe(false)
      }
    })
  )
})
