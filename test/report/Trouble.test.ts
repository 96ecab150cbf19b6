import { describe, expect, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as ConsulError from "../../src/ConsulError.js"
import { CheckpointMoved } from "../../src/internal/destination/FencedWriter.js"
import * as Trouble from "../../src/internal/report/Trouble.js"
import * as Events from "../support/Events.js"

class Away extends Data.TaggedError("Away")<{ readonly message: string }> {}
class Denied extends Data.TaggedError("Denied")<{ readonly message: string }> {}

const subject = { _tag: "Source", source: "nyc1" } as const

/** Keeps what is emitted, as `Began message`, `Lasts message (ms)` and `Over`; further attempts left out. */
const make = () => {
  const { collect, events } = Events.make()
  const lines = () =>
    events.flatMap((event) =>
      event._tag === "TroubleOver"
        ? ["Over"]
        : event._tag !== "Trouble" || event.phase === "Again"
          ? []
          : event.phase === "Began"
            ? [`Began ${event.message}`]
            : [`Lasts ${event.message} (${event.lasted / 60_000}m)`]
    )
  return { collect, events, lines }
}

/** Reports trouble whose tag is its kind. */
const report = (trouble: Pick<Trouble.Trouble, "report">, kind: string, message: string) =>
  trouble.report(kind, { cause: kind, message })

describe("trouble", () => {
  it.scoped("begins once, however often it comes up", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        yield* condition.resolve
        yield* report(condition, "Away", "away 1")
        yield* report(condition, "Away", "away 2")
        expect(emitted.lines()).toEqual(["Began away 1"])
      }).pipe(emitted.collect)
    })
  )

  it.scoped("begins anew from another cause, and is over once", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        const attempt = (outcome: Effect.Effect<string, Away | Denied>) =>
          outcome.pipe(Trouble.watching(condition), Effect.either)
        yield* attempt(new Away({ message: "away" }))
        yield* attempt(new Denied({ message: "denied" }))
        yield* attempt(new Denied({ message: "denied again" }))
        yield* attempt(Effect.succeed("answer"))
        yield* attempt(Effect.succeed("answer"))
        yield* attempt(new Denied({ message: "denied anew" }))
        expect(emitted.lines()).toEqual(["Began away", "Began denied", "Over", "Began denied anew"])
      }).pipe(emitted.collect)
    })
  )

  it.scoped("from two causes that take turns begins once for each, and anew after it was over", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        const turns = Effect.repeatN(
          Effect.zipRight(report(condition, "a", "a"), report(condition, "b", "b")),
          9
        )
        yield* turns
        yield* condition.resolve
        yield* turns
        expect(emitted.lines()).toEqual(["Began a", "Began b", "Over", "Began a", "Began b"])
      }).pipe(emitted.collect)
    })
  )

  it.scoped("whose kind is always another does not begin without end", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        for (let i = 0; i < 1_000; i++) yield* report(condition, `kind ${i}`, `trouble ${i}`)
        yield* condition.resolve
        expect(emitted.lines()).toHaveLength(21)
      }).pipe(emitted.collect)
    })
  )

  /** Lets minutes pass, one by one. */
  const minutes = (count: number) => Effect.repeatN(TestClock.adjust("1 minute"), count - 1)

  it.scoped("is emitted again after 1, after 5, and then every 15 minutes, with how long it has lasted", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        yield* report(condition, "Away", "away 1")
        yield* report(condition, "Away", "away 2")
        // Nothing is tried in between.
        yield* minutes(36)
        yield* condition.resolve
        yield* minutes(60)
        expect(emitted.lines()).toEqual([
          "Began away 1",
          "Lasts away 2 (1m)",
          "Lasts away 2 (5m)",
          "Lasts away 2 (20m)",
          "Lasts away 2 (35m)",
          "Over"
        ])
      }).pipe(emitted.collect)
    })
  )

  it.scoped("of several kinds is emitted again from those that come up again, each with its own time", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        yield* report(condition, "a", "a")
        yield* report(condition, "b", "b")
        yield* TestClock.adjust("30 seconds")
        yield* report(condition, "a", "a")
        yield* report(condition, "c", "c")
        yield* minutes(2)
        expect(emitted.lines().slice(3)).toEqual(["Lasts a (1m)", "Lasts c (1m)"])
      }).pipe(emitted.collect)
    })
  )

  it.scoped("that is forgotten, or whose scope has closed, has no reminders", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        yield* report(condition, "a", "a")
        yield* condition.forget
        const scope = yield* Scope.make()
        const other = yield* Scope.extend(Trouble.make(subject), scope)
        yield* report(other, "b", "b")
        yield* Scope.close(scope, Exit.void)
        yield* minutes(60)
        yield* condition.resolve
        expect(emitted.lines()).toEqual(["Began a", "Began b"])
      }).pipe(emitted.collect)
    })
  )

  it.scoped("of a thousand kinds has no more reminders than a person would read", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const condition = yield* Trouble.make(subject)
        const all = Effect.forEach(
          Array.from({ length: 1_000 }, (_, i) => i),
          (i) => report(condition, `kind ${i}`, `trouble ${i}`),
          { discard: true }
        )
        yield* all
        yield* all
        yield* minutes(1)
        expect(emitted.lines()).toHaveLength(20 + 21)
        expect(emitted.lines()).toContain("Lasts trouble 999 (1m)")
      }).pipe(emitted.collect)
    })
  )

  const request = "GET /v1/kv/a"

  it("a failure for another cause is of another kind", () => {
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
    ].map(Trouble.causeOf)
    expect(new Set(kinds).size).toBe(kinds.length)
  })

  it("a failure for the same cause is of the same kind, whatever words vary with the attempt", () => {
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
      expect(Trouble.causeOf(one)).toBe(Trouble.causeOf(other))
    }
  })

  it.scoped("leaves what is watched its answer and its failure", () =>
    Effect.gen(function* () {
      const condition = yield* Trouble.make(subject)
      const watch = Trouble.watching(condition)
      expect(yield* watch(Effect.succeed(1))).toBe(1)
      const failed = yield* Effect.flip(watch(new Away({ message: "away" })))
      expect(failed._tag).toBe("Away")
    })
  )
})

describe("troubles that are one to a reader", () => {
  const reportOf = (trouble: Trouble.Trouble | undefined, message: string) =>
    trouble === undefined ? Effect.void : report(trouble, "kind", message)

  const members = (count: number) =>
    Effect.gen(function* () {
      const shared = yield* Trouble.shared(subject)
      const scopes = yield* Effect.replicateEffect(Scope.make(), count)
      const all = yield* Effect.forEach(scopes, (scope) => Scope.extend(shared, scope))
      const close = (i: number) =>
        Effect.forEach(scopes.slice(i, i + 1), (scope) => Scope.close(scope, Exit.void))
      return { all, close }
    })

  it.scoped("begin with the first that is in trouble, and end with the last", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const { all } = yield* members(3)
        for (const [i, one] of all.entries()) yield* report(one, `kind ${i}`, `trouble ${i}`)
        for (const one of all) yield* one.resolve
      }).pipe(emitted.collect)
      expect(emitted.lines()).toEqual(["Began trouble 0", "Over"])
    })
  )

  it.scoped("are not ended or kept from beginning by one that is closed", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const { all, close } = yield* members(2)
        yield* close(0)
        yield* reportOf(all[0], "of one that is closed")
        yield* reportOf(all[1], "of one that is open")
        yield* all[1]?.resolve ?? Effect.void
      }).pipe(emitted.collect)
      expect(emitted.lines()).toEqual(["Began of one that is open", "Over"])
    })
  )

  it.scoped("count for each of them how long it has had no success", () =>
    Effect.gen(function* () {
      const emitted = make()
      yield* Effect.gen(function* () {
        const { all } = yield* members(2)
        yield* reportOf(all[0], "of the first")
        yield* TestClock.adjust("10 seconds")
        yield* reportOf(all[1], "of the second")
        yield* TestClock.adjust("10 seconds")
        yield* all[0]?.resolve ?? Effect.void
        yield* reportOf(all[0], "of the first again")
        yield* reportOf(all[1], "of the second")
      }).pipe(emitted.collect)
      const failing = Events.of(emitted, "Trouble").map(({ failingFor, phase }) => [phase, failingFor])
      expect(failing).toEqual([
        ["Began", 0],
        ["Again", 0],
        ["Again", 0],
        ["Again", 10_000]
      ])
    })
  )
})
