import { describe, expect, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as ConsulError from "../../src/ConsulError.js"
import { CheckpointMoved } from "../../src/internal/destination/FencedWriter.js"
import * as OutageLog from "../../src/internal/report/OutageLog.js"
import * as Logs from "../../src/testing/Logs.js"

class Away extends Data.TaggedError("Away")<{ readonly message: string }> {}
class Denied extends Data.TaggedError("Denied")<{ readonly message: string }> {}

describe("Condition", () => {
  it.scoped("trouble is said once, when it begins", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* OutageLog.make("it answers")
        yield* condition.resolve
        yield* condition.report("Away", "away 1")
        yield* condition.report("Away", "away 2")
        expect(logs.lines).toEqual(["WARN away 1"])
      }).pipe(logs.capture)
    })
  )

  it.scoped("trouble of another kind is said too, and the end of all of it once", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* OutageLog.make("it answers")
        const attempt = (outcome: Effect.Effect<string, Away | Denied>) =>
          outcome.pipe(OutageLog.logOutages(condition, "waiting"), Effect.either)
        yield* attempt(new Away({ message: "away" }))
        yield* attempt(new Denied({ message: "denied" }))
        yield* attempt(new Denied({ message: "denied again" }))
        yield* attempt(Effect.succeed("answer"))
        yield* attempt(Effect.succeed("answer"))
        yield* attempt(new Denied({ message: "denied anew" }))
        expect(logs.lines).toEqual([
          "WARN waiting: away",
          "WARN waiting: denied",
          "INFO recovered: it answers",
          "WARN waiting: denied anew"
        ])
      }).pipe(logs.capture)
    })
  )

  it.scoped("two that take turns are each said once, and anew after all was fine", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* OutageLog.make("it answers")
        const turns = Effect.repeatN(
          Effect.zipRight(condition.report("a", "a"), condition.report("b", "b")),
          9
        )
        yield* turns
        yield* condition.resolve
        yield* turns
        expect(logs.lines).toEqual(["WARN a", "WARN b", "INFO recovered: it answers", "WARN a", "WARN b"])
      }).pipe(logs.capture)
    })
  )

  it.scoped("one whose kind is always another is not said without end", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* OutageLog.make("it answers")
        for (let i = 0; i < 1_000; i++) yield* condition.report(`kind ${i}`, `trouble ${i}`)
        yield* condition.resolve
        expect(logs.lines).toHaveLength(21)
      }).pipe(logs.capture)
    })
  )

  /** Lets minutes pass, one by one. */
  const minutes = (count: number) => Effect.repeatN(TestClock.adjust("1 minute"), count - 1)

  it.scoped(
    "trouble that lasts is said again after 1, after 5, and then every 15 minutes, with how long it lasts",
    () =>
      Effect.gen(function* () {
        const logs = Logs.make()
        yield* Effect.gen(function* () {
          const condition = yield* OutageLog.make("it answers")
          yield* condition.report("Away", "away 1")
          yield* condition.report("Away", "away 2")
          // Nothing is tried in between.
          yield* minutes(36)
          yield* condition.resolve
          yield* minutes(60)
          expect(logs.lines).toEqual([
            "WARN away 1",
            "WARN still: away 2 (for 1m)",
            "WARN still: away 2 (for 5m)",
            "WARN still: away 2 (for 20m)",
            "WARN still: away 2 (for 35m)",
            "INFO recovered: it answers"
          ])
        }).pipe(logs.capture)
      })
  )

  it.scoped("of several kinds, those that come up again are said again, each with its own time", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* OutageLog.make("it answers")
        yield* condition.report("a", "a")
        yield* condition.report("b", "b")
        yield* TestClock.adjust("30 seconds")
        yield* condition.report("a", "a")
        yield* condition.report("c", "c")
        yield* minutes(2)
        expect(logs.lines.slice(3)).toEqual(["WARN still: a (for 1m)", "WARN still: c (for 1m)"])
      }).pipe(logs.capture)
    })
  )

  it.scoped("nobody is reminded of trouble that is forgotten, or whose scope has closed", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* OutageLog.make("it answers")
        yield* condition.report("a", "a")
        yield* condition.forget
        const scope = yield* Scope.make()
        const other = yield* Scope.extend(OutageLog.make("it answers"), scope)
        yield* other.report("b", "b")
        yield* Scope.close(scope, Exit.void)
        yield* minutes(60)
        yield* condition.resolve
        expect(logs.lines).toEqual(["WARN a", "WARN b"])
      }).pipe(logs.capture)
    })
  )

  it.scoped("the reminders of a thousand kinds are no more than a person would read", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const condition = yield* OutageLog.make("it answers")
        const all = Effect.forEach(
          Array.from({ length: 1_000 }, (_, i) => i),
          (i) => condition.report(`kind ${i}`, `trouble ${i}`),
          { discard: true }
        )
        yield* all
        yield* all
        yield* minutes(1)
        expect(logs.lines).toHaveLength(20 + 21)
        expect(logs.lines).toContain("WARN still: trouble 999 (for 1m)")
      }).pipe(logs.capture)
    })
  )

  const request = "GET /v1/kv/a"

  it("what failed for another cause is of another kind", () => {
    const kinds = [
      new ConsulError.Denied({ request, reason: 'token lacks permission "key:write" on "a"' }),
      new ConsulError.Denied({ request, reason: 'token lacks permission "key:write" on "b"' }),
      new ConsulError.Denied({ request, reason: "Permission denied" }),
      new ConsulError.Denied({ request: "PUT /v1/txn", reason: "Permission denied" }),
      new ConsulError.Rejected({ request, status: 500, reason: "no space left on device" }),
      new ConsulError.Rejected({ request, status: 500, reason: "rpc error making call: EOF" }),
      new ConsulError.NoLeader({ request }),
      new CheckpointMoved({ key: "status-1" }),
      new CheckpointMoved({ key: "status-2" })
    ].map(OutageLog.causeOf)
    expect(new Set(kinds).size).toBe(kinds.length)
  })

  it("what failed for the same cause is of the same kind, whatever words vary with the attempt", () => {
    const rejected = (reason: string) => new ConsulError.Rejected({ request, status: 500, reason })
    for (const [one, other] of [
      [
        rejected("rpc error: dial tcp 10.0.0.1:41234->10.0.0.2:8300: connection refused"),
        rejected("rpc error: dial tcp 10.0.0.1:41236->10.0.0.3:8300: connection refused")
      ],
      [
        rejected('invalid session "adf4238a-882b-9ddc-4a9d-5b6758e4159e" after 1.5s'),
        rejected('invalid session "5f4ce0cd-9cd9-4a9e-a0d6-3f1a8a3c8f0e" after 20ms')
      ],
      [
        new ConsulError.Denied({ request: "GET /v1/kv/a?index=7", reason: "Permission denied" }),
        new ConsulError.Denied({ request: "GET /v1/kv/b?index=9", reason: "Permission denied" })
      ],
      [
        new ConsulError.Unreachable({ request, address: "a", reason: "connection refused" }),
        new ConsulError.Unreachable({ request: "PUT /v1/txn", address: "a", reason: "no answer in time" })
      ]
    ] as const) {
      expect(OutageLog.causeOf(one)).toBe(OutageLog.causeOf(other))
    }
  })

  it.scoped("what is watched keeps its answer and its failure", () =>
    Effect.gen(function* () {
      const condition = yield* OutageLog.make("it answers")
      const watch = OutageLog.logOutages(condition, "waiting")
      expect(yield* watch(Effect.succeed(1))).toBe(1)
      const failed = yield* Effect.flip(watch(new Away({ message: "away" })))
      expect(failed._tag).toBe("Away")
    })
  )
})

describe("conditions that are one to whoever reads", () => {
  const members = (count: number) =>
    Effect.gen(function* () {
      const shared = OutageLog.shared(yield* OutageLog.make("it is fine"))
      const scopes = yield* Effect.replicateEffect(Scope.make(), count)
      const all = yield* Effect.forEach(scopes, (scope) => Scope.extend(shared, scope))
      const close = (i: number) =>
        Effect.forEach(scopes.slice(i, i + 1), (scope) => Scope.close(scope, Exit.void))
      return { all, close }
    })

  it.scoped("say trouble with the first that is in it, and its end with the last", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const { all } = yield* members(3)
        for (const [i, one] of all.entries()) yield* one.report(`kind ${i}`, `trouble ${i}`)
        for (const one of all) yield* one.resolve
      }).pipe(logs.capture)
      expect(logs.lines).toEqual(["WARN trouble 0", "INFO recovered: it is fine"])
    })
  )

  it.scoped("are not kept silent by one that is closed, and in trouble only then", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* Effect.gen(function* () {
        const { all, close } = yield* members(2)
        yield* close(0)
        yield* all[0]?.report("kind", "of one that is closed") ?? Effect.void
        yield* all[1]?.report("kind", "of one that is open") ?? Effect.void
        yield* all[1]?.resolve ?? Effect.void
      }).pipe(logs.capture)
      expect(logs.lines).toEqual(["WARN of one that is open", "INFO recovered: it is fine"])
    })
  )
})
