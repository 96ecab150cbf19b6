import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { RateLimited, Unreachable } from "../../src/ConsulError.js"
import * as Throttle from "../../src/internal/consul/Throttle.js"
import * as Monotonic from "../../src/internal/effect/Monotonic.js"
import { failureOf } from "../support/Failure.js"

const limited = (retryAfter?: Duration.DurationInput) =>
  new RateLimited({
    request: "PUT /v1/txn",
    ...(retryAfter !== undefined && { retryAfter: Duration.decode(retryAfter) })
  })

/** A request that fails so often, and when it was sent (ms). */
const failing = (times: number, error: RateLimited) => {
  const sentAt: Array<number> = []
  const request = Effect.flatMap(Monotonic.now, (now) => {
    sentAt.push(now)
    return sentAt.length > times ? Effect.succeed("done") : Effect.fail(error)
  })
  return { request, sentAt }
}

describe("Throttle", () => {
  it.scoped("the same request is sent again, after pauses that grow and are never long", () =>
    Effect.gen(function* () {
      const { send } = yield* Throttle.make("writes")
      const { request, sentAt } = failing(20, limited())
      const sending = yield* Effect.fork(send(request))
      yield* TestClock.adjust("2 minutes")
      expect(yield* Fiber.join(sending)).toBe("done")
      const pauses = sentAt.slice(1).map((at, i) => at - (sentAt[i] ?? 0))
      expect(pauses[0]).toBeGreaterThanOrEqual(50)
      expect(pauses[0]).toBeLessThan(65)
      expect(Math.max(...pauses)).toBeLessThanOrEqual(6_001)
      expect(pauses.slice(0, 8)).toEqual(pauses.slice(0, 8).sort((a, b) => a - b))
    })
  )

  it.scoped("nobody sends before the time that a refusal names", () =>
    Effect.gen(function* () {
      const { send } = yield* Throttle.make("writes")
      const { request, sentAt } = failing(1, limited("7 seconds"))
      const first = yield* Effect.fork(send(request))
      yield* TestClock.adjust("1 second")
      const other = failing(0, limited())
      const second = yield* Effect.fork(send(other.request))
      yield* TestClock.adjust("5900 millis")
      expect([...sentAt, ...other.sentAt]).toEqual([0])
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(Fiber.zip(first, second))).toEqual(["done", "done"])
      expect(sentAt).toHaveLength(2)
    })
  )

  it.scoped("a server that asks for days gets the request again after five minutes", () =>
    Effect.gen(function* () {
      const { send } = yield* Throttle.make("writes")
      const sending = yield* Effect.fork(send(failing(1, limited("3 days")).request))
      yield* TestClock.adjust("5 minutes")
      expect(yield* Fiber.join(sending)).toBe("done")
    })
  )

  it.scoped("any other failure is the caller's", () =>
    Effect.gen(function* () {
      const { send } = yield* Throttle.make("writes")
      const error = new Unreachable({ request: "PUT /v1/txn", address: "http://a", reason: "reset" })
      expect(yield* failureOf(send(Effect.fail(error)))).toMatchObject({ _tag: "Unreachable" })
    })
  )

  it.scoped("a request that is given up while it waits for its turn delays no other", () =>
    Effect.gen(function* () {
      const { send } = yield* Throttle.make("writes")
      const waiting = yield* Effect.fork(send(failing(1, limited("10 seconds")).request))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(waiting)
      const sending = yield* Effect.fork(send(Effect.succeed("done")))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(sending)).toBe("done")
    })
  )
})
