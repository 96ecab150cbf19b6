import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import type { Status } from "../../src/Checkpoint.js"
import { ConsulHttp } from "../../src/ConsulHttp.js"
import * as FencedWriter from "../../src/internal/destination/FencedWriter.js"
import { nothingRemaining } from "../../src/internal/destination/StatusKey.js"
import * as StatusOwner from "../../src/internal/destination/StatusOwner.js"
import { defaultLimits } from "../../src/internal/destination/TransactionBatches.js"
import * as LockSession from "../../src/internal/lock/LockSession.js"
import type { Changes, Write } from "../../src/internal/plan/Diff.js"
import { destinationKey, destinationKeys } from "../../src/internal/plan/Mapping.js"
import { LeaderLock, defaults as lockDefaults } from "../../src/LeaderLock.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"
import * as World from "../../src/testing/World.js"
import * as Value from "../../src/Value.js"
import * as Events from "../support/Events.js"
import { failureOf } from "../support/Failure.js"

const transactions = "PUT /v1/txn"

const writes = (count: number, value = Value.fromText("1")) =>
  Array.from({ length: count }, (_, i) => ({
    key: destinationKey(`global/${i}`),
    value,
    flags: BigInt(i)
  }))

/** Changes of keys whose names are plain text. */
const changes = ({
  deletes = [],
  writes = []
}: {
  readonly writes?: ReadonlyArray<Omit<Write, "key"> & { readonly key: string }>
  readonly deletes?: ReadonlyArray<string>
}): Changes => ({
  writes: writes.map((write) => ({ ...write, key: destinationKey(write.key) })),
  deletes: destinationKeys(deletes)
})

const others = (count: number) => Array.from({ length: count }, (_, i) => `global/other/${i}`)

const one = (value: string) =>
  changes({ writes: [{ key: "global/a", value: Value.fromText(value), flags: 0n }] })

/** More than fits a transaction once in base64, and as much as Consul takes at all. */
const largeValue = Value.fromBytes(new Uint8Array(524_288).map((_, i) => i % 251))
const large = changes({ writes: [{ key: "global/large", value: largeValue, flags: 2n ** 64n - 1n }] })

/** An instance that leads, and opens writers. */
const leading = (options: World.Options = {}) =>
  Effect.gen(function* () {
    const instance = yield* World.instance(options)
    const memory = yield* FencedWriter.makeMemory
    const leader = yield* instance.run(Effect.flatMap(LeaderLock, (lock) => lock.acquire))
    const { replication } = instance
    // Time passes between two of them: what Consul holds already, it does not write again.
    const open = Effect.zipRight(
      TestClock.adjust(1),
      instance.run(FencedWriter.open({ leader, memory, replication }))
    )
    return { ...instance, leader, memory, open }
  })

type Leading = Effect.Effect.Success<ReturnType<typeof leading>>

interface SentOperation {
  readonly Verb: string
  readonly Key: string
  readonly Value?: string
  readonly Index?: number
  readonly Session?: string
}

/** The operations of each transaction that was sent. */
const transactionsOf = ({ network }: World.Instance) =>
  network.sent
    .filter(({ method, target }) => `${method} ${target}` === transactions)
    .map(({ body }) =>
      (JSON.parse(body) as ReadonlyArray<{ readonly KV: SentOperation }>).map(({ KV }) => KV)
    )

/** Requests about single keys that write. */
const putsOf = ({ network }: World.Instance) =>
  network.sent.flatMap(({ method, target }) =>
    method === "PUT" && target.startsWith("/v1/kv/global") ? [target.replace(/[0-9a-f-]{36}$/, "…")] : []
  )

const storedStatus = Effect.map(
  World.entry(World.destination, World.status),
  (entry) => JSON.parse(new TextDecoder().decode(entry?.value)) as typeof Status.Encoded
)

const stored = World.contents(World.destination, "global/")

/** Holds the next request that matches back in the network; what is held can be let go later. */
const holdBack = (instance: World.Instance, matching: string | RegExp) =>
  Effect.gen(function* () {
    const held: Array<Effect.Effect<number>> = []
    yield* instance.network.disturb(
      Network.on(
        matching,
        Network.once((sent, pass) => {
          held.push(Effect.orDie(Effect.map(pass, ({ status }) => status)))
          return Network.refused(sent, pass)
        })
      )
    )
    return Effect.suspend(() => held[0] ?? Effect.dieMessage("nothing was held back"))
  })

describe.concurrent("Writer", () => {
  describe("transactions", () => {
    it.scoped("every one starts with the fence and the guard; the checkpoint goes in the last", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const { fence } = leader.leader
        const writer = yield* leader.open
        yield* writer.commit(changes({ writes: writes(150) }), 77)
        yield* writer.commit(
          changes({ writes: writes(20, Value.fromText("2")), deletes: writes(80).map(({ key }) => key) }),
          78
        )
        const sent = transactionsOf(leader)
        expect(sent.map((operations) => operations.length)).toEqual([2, 64, 64, 28, 22, 64, 20])
        for (const [first, second, ...rest] of sent) {
          expect(first).toEqual({ Verb: "check-session", Key: World.lock, Session: fence.session })
          expect(second?.Key).toBe(World.status)
          expect(rest.every(({ Key }) => Key.startsWith("global/"))).toBe(true)
        }
        const guards = sent.map(([, guard]) => guard?.Verb)
        expect(guards).toEqual([
          "cas",
          "check-index",
          "check-index",
          "cas",
          "check-index",
          "check-index",
          "cas"
        ])
        // Each pass starts where the one before left the status key.
        const indexes = sent.map(([, guard]) => guard?.Index)
        expect(indexes[0]).toBe(0)
        expect(new Set(indexes.slice(1, 4)).size).toBe(1)
        expect(new Set(indexes.slice(4)).size).toBe(1)
        expect(Number(indexes[4])).toBeGreaterThan(Number(indexes[1]))
        const verbs = sent.slice(4).flatMap((operations) => operations.slice(2).map(({ Verb }) => Verb))
        expect(verbs).toEqual([...Array(20).fill("set"), ...Array(80).fill("delete")])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "sixteen are under way at once; deletes wait for every write, the checkpoint for everything",
      () =>
        Effect.gen(function* () {
          const leader = yield* leading()
          const writer = yield* leader.open
          const underWay: Array<string> = []
          const most: Record<string, number> = {}
          yield* leader.network.disturb(
            Network.on("PUT /v1/txn", ({ body }, pass) => {
              const verb = /"Verb":"(set|delete)","Key":"global/.exec(body)?.[1] ?? "none"
              const kind = body.includes('"Verb":"cas"') ? "checkpoint" : verb
              underWay.push(kind)
              expect(new Set(underWay).size).toBe(1)
              most[kind] = Math.max(most[kind] ?? 0, underWay.length)
              return Effect.zipLeft(
                Effect.delay(pass, "20 millis"),
                Effect.sync(() => underWay.pop())
              )
            })
          )
          const applying = yield* Effect.fork(
            writer.commit(changes({ writes: writes(62 * 20), deletes: others(62 * 3) }), 7)
          )
          yield* VirtualTime.until(Effect.map(storedStatus, ({ LastReplicated }) => LastReplicated === 7))
          yield* Fiber.join(applying)
          expect(most).toEqual({ set: 16, delete: 2, checkpoint: 1 })
          yield* leader.network.heal
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "of one call have landed before the next call sends one: no write overtakes another of its key",
      () =>
        Effect.gen(function* () {
          const leader = yield* leading()
          const writer = yield* leader.open
          yield* leader.network.disturb(
            Network.on(transactions, ({ body }, pass) =>
              Effect.delay(pass, body.includes(Value.fromText("slow")) ? "50 millis" : "1 millis")
            )
          )
          const both = yield* Effect.fork(
            Effect.all(
              [
                writer.write(writes(5, Value.fromText("slow"))),
                writer.commit(changes({ writes: writes(5, Value.fromText("new")) }), 7)
              ],
              { concurrency: 2 }
            )
          )
          yield* VirtualTime.until(Effect.map(storedStatus, ({ LastReplicated }) => LastReplicated === 7))
          yield* Fiber.join(both)
          expect(yield* stored).toMatchObject({ "global/1": "new" })
          yield* leader.network.heal
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "that were in the network when their call was interrupted end the writer: nothing follows them",
      () =>
        Effect.gen(function* () {
          const leader = yield* leading()
          const writer = yield* leader.open
          yield* leader.network.disturb(Network.on(transactions, Network.silent))
          const writing = yield* Effect.fork(Effect.timeoutOption(writer.write(writes(500)), "10 millis"))
          yield* TestClock.adjust("10 millis")
          expect(yield* Fiber.join(writing)).toEqual(Option.none())
          yield* leader.network.heal
          const sent = transactionsOf(leader).length
          for (const use of [writer.commit(one("1"), 7), writer.write(writes(1))]) {
            const exit = yield* Effect.exit(Effect.fork(use).pipe(Effect.flatMap(Fiber.join)))
            expect(Exit.isInterrupted(exit)).toBe(true)
          }
          expect(transactionsOf(leader).length).toBe(sent)
          expect(yield* stored).toEqual({})
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("changes that fit one transaction land as one, with the checkpoint", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* leading()
        const writer = yield* leader.open
        const landed: Array<ReadonlyArray<string>> = []
        yield* sim.observe(({ changes }) => landed.push(changes.map(({ key }) => key)))
        yield* writer.commit(changes({ writes: writes(40) }), 5)
        yield* writer.commit(
          changes({ writes: writes(2, Value.fromText("2")), deletes: ["global/30", "global/31"] }),
          6
        )
        expect(landed).toEqual([
          [World.status, ...writes(40).map(({ key }) => key)],
          [World.status, "global/0", "global/1", "global/30", "global/31"]
        ])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("nothing to change still moves the checkpoint", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* writer.commit(changes({}), 9)
        expect(yield* storedStatus).toMatchObject({ State: "in-sync", LastReplicated: 9 })
        expect(transactionsOf(leader).map((operations) => operations.length)).toEqual([2, 2])
      }).pipe(Effect.provide(World.layer))
    )
  })

  describe("the checkpoint", () => {
    it.scoped("says what has landed, whence, by whom and when", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_427_889_600_000)
        const leader = yield* leading()
        const writer = yield* leader.open
        const about = {
          Source: "nyc1",
          Prefix: "global/",
          DestinationPrefix: "global/",
          HeldDeletes: 0,
          MaxDeletes: "50%",
          RefusedWrites: 0,
          Instance: leader.leader.instance,
          Session: leader.leader.fence.session,
          Lock: World.lock,
          Time: "2015-04-01T12:00:00.001Z"
        }
        expect(yield* storedStatus).toEqual({ ...about, State: "comparing", LastReplicated: 0 })
        yield* writer.commit(one("1"), 12)
        expect(yield* storedStatus).toEqual({ ...about, State: "in-sync", LastReplicated: 12 })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("stays where it was while deletes are held, and counts them", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* writer.commit(one("1"), 12)
        yield* writer.commit(one("2"), 13, { ...nothingRemaining, heldDeletes: 40 })
        const held = { State: "deletes-held", LastReplicated: 12, HeldDeletes: 40 }
        expect(yield* storedStatus).toMatchObject(held)
        yield* writer.commit(one("3"), 14, { ...nothingRemaining, heldDeletes: 41 })
        expect(yield* storedStatus).toMatchObject({ ...held, HeldDeletes: 41 })
        yield* writer.commit(one("4"), 15)
        expect(yield* storedStatus).toMatchObject({ State: "in-sync", LastReplicated: 15, HeldDeletes: 0 })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("does not claim what has not landed: a pass that breaks off leaves the one before", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* writer.commit(one("1"), 12)
        let left = 2
        yield* leader.network.disturb(
          Network.on(transactions, (sent, pass) => (left-- > 0 ? pass : Network.refused(sent, pass)))
        )
        expect(yield* failureOf(writer.commit(changes({ writes: writes(150) }), 13))).toMatchObject({
          _tag: "Unreachable"
        })
        expect(yield* storedStatus).toMatchObject({ State: "in-sync", LastReplicated: 12 })
        yield* leader.network.heal
        yield* leader.open
        expect(yield* storedStatus).toMatchObject({ State: "comparing", LastReplicated: 12 })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("keeps what the leader before had replicated, if it was the same replication", () =>
      Effect.gen(function* () {
        const first = yield* leading()
        yield* (yield* first.open).commit(one("1"), 12)
        yield* (yield* ConsulOf(first)).session.destroy(first.leader.fence.session)
        const second = yield* leading()
        yield* second.open
        expect(yield* storedStatus).toMatchObject({ State: "comparing", LastReplicated: 12 })
        for (const other of [{ source: "ams2" }, { prefix: "other/" }, { destinationPrefix: "copy/" }]) {
          const replication = { ...second.replication, ...other }
          yield* second.run(FencedWriter.open({ leader: second.leader, memory: second.memory, replication }))
          expect(yield* storedStatus).toMatchObject({ State: "comparing", LastReplicated: 0 })
          yield* (yield* second.open).commit(changes({}), 12)
        }
      }).pipe(Effect.provide(World.layer))
    )
  })

  describe("fencing", () => {
    it.scoped("a transaction of an older writer is refused after a newer one opened", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const older = yield* leader.open
        const newer = yield* leader.open
        expect(yield* failureOf(older.commit(one("old"), 5))).toMatchObject({
          _tag: "CheckpointMoved",
          key: World.status
        })
        expect(yield* failureOf(older.commit(changes({ writes: writes(100) }), 5))).toMatchObject({
          _tag: "CheckpointMoved"
        })
        expect(yield* stored).toEqual({})
        yield* newer.commit(one("new"), 6)
        expect(yield* stored).toEqual({ "global/a": "new" })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a transaction that was stuck in the network when a newer writer opened does not land", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const older = yield* leader.open
        const late = yield* holdBack(leader, transactions)
        expect(yield* failureOf(older.commit(one("old"), 5))).toMatchObject({ _tag: "Unreachable" })
        const newer = yield* leader.open
        yield* newer.commit(one("new"), 6)
        expect(yield* late).toBe(409)
        expect(yield* stored).toEqual({ "global/a": "new" })
        expect(yield* storedStatus).toMatchObject({ LastReplicated: 6 })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a write of a leader that lost the lock does not land", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const former = yield* leading()
        const writer = yield* former.open
        const late = yield* holdBack(former, transactions)
        expect(yield* failureOf(writer.commit(one("late"), 5))).toMatchObject({ _tag: "Unreachable" })
        yield* sim.destroySession(World.destination, former.leader.fence.session)
        expect(yield* late).toBe(409)
        expect(yield* failureOf(writer.commit(one("former"), 5))).toMatchObject({
          _tag: "LockLost",
          lock: World.lock
        })
        const next = yield* leading()
        expect(yield* failureOf(writer.commit(one("former"), 5))).toMatchObject({ _tag: "LockLost" })
        expect(yield* failureOf(former.open)).toMatchObject({ _tag: "LockLost" })
        yield* (yield* next.open).commit(one("next"), 6)
        expect(yield* failureOf(writer.commit(changes({ deletes: ["global/a"] }), 7))).toMatchObject({
          _tag: "LockLost"
        })
        expect(yield* stored).toEqual({ "global/a": "next" })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["rewritten", (sim: SimConsul.SimConsul) => sim.put(World.destination, World.status, "mine")],
      ["deleted", (sim: SimConsul.SimConsul) => sim.remove(World.destination, World.status)]
    ] as const)(
      "a status key that was %s by somebody else stops the writer, not the next one",
      ([, disturb]) =>
        Effect.gen(function* () {
          const leader = yield* leading()
          const writer = yield* leader.open
          yield* disturb(yield* SimConsul.SimConsul)
          expect(yield* failureOf(writer.commit(one("1"), 5))).toMatchObject({ _tag: "CheckpointMoved" })
          expect(yield* stored).toEqual({})
          yield* (yield* leader.open).commit(one("2"), 6)
          expect(yield* stored).toEqual({ "global/a": "2" })
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("the session of the leader before is ended before anything is written, and only that one", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const former = yield* leading()
        yield* former.open
        // Somebody deleted the lock under it: its session lives on.
        yield* sim.remove(World.destination, World.lock)
        const next = yield* leading()
        expect(yield* sim.sessions(World.destination)).toHaveLength(2)
        yield* next.open
        yield* next.open
        expect((yield* sim.sessions(World.destination)).map(({ id }) => id)).toEqual([
          next.leader.fence.session
        ])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a session that holds another lock is left alone; a session that has lost it is ended", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const other = yield* leading({ lock: "other/leader" })
        yield* other.open
        const { fence, instance } = other.leader
        const next = yield* leading()
        const error = yield* Effect.flip(next.open)
        expect(error).toMatchObject({
          _tag: "StatusInUse",
          instance,
          lock: "other/leader",
          session: fence.session
        })
        expect(transactionsOf(next)).toEqual([])
        expect(yield* sim.sessions(World.destination)).toHaveLength(2)
        if (error._tag !== "StatusInUse") return expect.unreachable()
        const waiting = yield* Effect.fork(next.run(StatusOwner.awaitFree(error)))
        yield* TestClock.adjust("10 seconds")
        expect(yield* Fiber.poll(waiting)).toEqual(Option.none())
        yield* sim.remove(World.destination, "other/leader")
        yield* Fiber.join(waiting)
        yield* next.open
        expect((yield* sim.sessions(World.destination)).map(({ id }) => id)).toEqual([
          next.leader.fence.session
        ])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["with the name of the service, and none of its checks", lockDefaults.service, ["serfHealth"]],
      ["with another name", "deployment", ["serfHealth", "service:consul-replicate-0123abcd"]],
      ["with the check of another service", lockDefaults.service, ["service:consul-replicate-proxy"]],
      [
        "of the same service for another lock",
        LockSession.sessionName(lockDefaults.service, "service/other/leader"),
        ["serfHealth", "service:consul-replicate-0123abcd"]
      ]
    ] as const)("a session of others that the status names, %s, is left alone", ([, name, checks]) =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const next = yield* leading()
        const { agent, session } = yield* ConsulOf(next)
        for (const id of ["consul-replicate-0123abcd", "consul-replicate-proxy"]) {
          yield* agent.registerService({ id, name: "x", ttl: "1 hour", deregisterAfter: "2 hours" })
        }
        const other = yield* session.create({ name, checks, behavior: "release", lockDelay: 0 })
        yield* sim.put(World.destination, World.status, JSON.stringify(statusWith(other)))
        yield* (yield* next.open).commit(one("1"), 5)
        expect((yield* sim.sessions(World.destination)).map(({ id }) => id)).toContain(other)
        expect(Events.of(next, "SessionLeftAlone")).toMatchObject([
          { session: other, name, lock: World.lock }
        ])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a token that may not end it leads all the same; trouble in ending it is no success", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const former = yield* leading()
        yield* former.open
        yield* sim.remove(World.destination, World.lock)
        const next = yield* leading()
        const ending = "PUT /v1/session/destroy/"
        yield* next.network.disturb(Network.on(ending, Network.answer(500, "rpc error making call: EOF")))
        expect(yield* failureOf(next.open)).toMatchObject({ _tag: "Rejected" })
        yield* next.network.disturb(Network.on(ending, Network.answer(403, "Permission denied")))
        yield* (yield* next.open).commit(one("1"), 5)
        expect(yield* stored).toEqual({ "global/a": "1" })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["of an older tool", '{"LastReplicated":123}'],
      ["that is no JSON", "\xff"],
      ["with a session that is none", JSON.stringify(statusWith("nobody"))],
      ["with an empty session", JSON.stringify(statusWith(""))],
      ["of a session that is long gone", JSON.stringify(statusWith("adf4238a-882b-9ddc-4a9d-5b6758e4159e"))],
      [
        "of a lock that is none",
        JSON.stringify({ ...statusWith("adf4238a-882b-9ddc-4a9d-5b6758e4159e"), Lock: "" })
      ],
      [
        "of a lock that nobody holds",
        JSON.stringify({ ...statusWith("adf4238a-882b-9ddc-4a9d-5b6758e4159e"), Lock: "other/leader" })
      ]
    ] as const)("a status %s is taken over", ([, status]) =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* sim.put(World.destination, World.status, status)
        const leader = yield* leading()
        yield* (yield* leader.open).commit(one("1"), 5)
        expect(yield* storedStatus).toMatchObject({ State: "in-sync", LastReplicated: 5 })
      }).pipe(Effect.provide(World.layer))
    )
  })

  describe("large values", () => {
    it.scoped("are put by acquiring and releasing their key, as they are, and leave it unlocked", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* writer.commit(large, 5)
        const entry = yield* World.entry(World.destination, "global/large")
        expect(Encoding.encodeBase64(entry?.value ?? new Uint8Array())).toBe(largeValue)
        expect(entry).toMatchObject({ flags: 2n ** 64n - 1n, session: "" })
        const flags = 2n ** 64n - 1n
        expect(putsOf(leader)).toEqual([
          `/v1/kv/global/large?flags=${flags}&acquire=…`,
          `/v1/kv/global/large?flags=${flags}&release=…`
        ])
        expect(
          leader.network.sent.filter(
            ({ target }) =>
              target.includes(leader.leader.fence.session) && !target.startsWith("/v1/session/renew/")
          )
        ).toHaveLength(3)
        expect(yield* storedStatus).toMatchObject({ State: "in-sync", LastReplicated: 5 })
        // Again, with another value, over the one that is there.
        const other = Value.fromBytes(new Uint8Array(450_000))
        yield* writer.commit(changes({ writes: [{ key: "global/large", value: other, flags: 0n }] }), 6)
        const changed = yield* World.entry(World.destination, "global/large")
        expect(changed).toMatchObject({ flags: 0n, session: "" })
        expect(changed?.value).toHaveLength(450_000)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("are refused after the session ended, also when they were stuck in the network", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        yield* sim.put(World.destination, "global/large", "before")
        const former = yield* leading()
        const writer = yield* former.open
        const late = yield* holdBack(former, /acquire=/)
        expect(yield* failureOf(writer.commit(large, 5))).toMatchObject({ _tag: "LockLost" })
        yield* sim.destroySession(World.destination, former.leader.fence.session)
        expect(yield* late).toBe(500)
        expect(yield* failureOf(writer.commit(large, 5))).toMatchObject({ _tag: "LockLost" })
        expect(yield* stored).toEqual({ "global/large": "before" })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["is lost", Network.answerLost],
      ["does not come", Network.silent],
      ["is an error of the servers", Network.answer(500, "rpc error making call: EOF")],
      ["is none of Consul's", Network.answer(200, "<html>")]
    ] as const)("whose answer %s cost the leadership: they may have landed or not", ([, fault]) =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        for (const step of [/acquire=/, /release=/]) {
          const leader = yield* leading()
          const writer = yield* leader.open
          yield* leader.network.disturb(Network.on(step, fault))
          const applying = yield* Effect.fork(failureOf(writer.commit(large, 5)))
          yield* TestClock.adjust("10 seconds")
          const lost = { _tag: "LockLost", reason: expect.stringMatching(/^given up, since .*: ./) }
          expect(yield* Fiber.join(applying)).toMatchObject(lost)
          expect(yield* storedStatus).toMatchObject({ State: "comparing" })
          // Whatever else fails at the same time, nothing is written behind this session any more.
          yield* leader.network.heal
          expect(yield* failureOf(writer.commit(one("1"), 5))).toMatchObject(lost)
          expect(yield* failureOf(leader.open)).toMatchObject(lost)
          yield* sim.destroySession(World.destination, leader.leader.fence.session)
        }
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      ["acquires its key", /acquire=/],
      ["gives it back", /release=/]
    ] as const)(
      "one whose sender is interrupted while it %s costs the leadership: it may land late",
      ([, step]) =>
        Effect.gen(function* () {
          const sim = yield* SimConsul.SimConsul
          const leader = yield* leading()
          const writer = yield* leader.open
          const stuck: Array<Effect.Effect<number>> = []
          yield* leader.network.disturb(
            Network.on(
              step,
              Network.once((_, pass) => {
                stuck.push(Effect.orDie(Effect.map(pass, ({ status }) => status)))
                return Effect.never
              })
            )
          )
          const applying = yield* Effect.fork(writer.commit(large, 5))
          yield* VirtualTime.until(Effect.sync(() => stuck.length > 0))
          yield* Fiber.interrupt(applying)
          const lost = { _tag: "LockLost", reason: expect.stringContaining("was interrupted") }
          expect(yield* failureOf(leader.open)).toMatchObject(lost)
          expect(yield* failureOf(writer.write(one("1").writes))).toMatchObject(lost)
          // As the end of the leadership does.
          yield* sim.destroySession(World.destination, leader.leader.fence.session)
          const next = yield* leading()
          const newer = { key: "global/large", value: Value.fromText("newer"), flags: 0n }
          yield* (yield* next.open).commit(changes({ writes: [newer] }), 6)
          for (const late of stuck) yield* late
          expect(yield* stored).toEqual({ "global/large": "newer" })
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("that Consul refuses since it has no leader do not", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* leader.network.disturb(Network.on(/acquire=/, Network.answer(500, "No cluster leader")))
        expect(yield* failureOf(writer.commit(large, 5))).toMatchObject({ _tag: "NoLeader" })
        yield* leader.network.heal
        yield* writer.commit(large, 5)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("whose rate is refused, or that of giving the key back, are sent again", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        for (const step of [/acquire=/, /release=/]) {
          yield* leader.network.disturb(Network.on(step, Network.once(Network.answer(429, ""))))
          const applying = yield* Effect.fork(writer.commit(large, 5))
          yield* TestClock.adjust("10 seconds")
          expect(yield* Fiber.join(applying)).toEqual([])
          expect(yield* World.entry(World.destination, "global/large")).toMatchObject({ session: "" })
        }
        expect(putsOf(leader)).toHaveLength(6)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped.each([
      [400, "bad key"],
      [404, ""],
      [405, "method not allowed"]
    ] as const)(
      "that Consul answers with %i did not land: they are refused, all the rest lands",
      ([status, text]) =>
        Effect.gen(function* () {
          const leader = yield* leading()
          const writer = yield* leader.open
          yield* leader.network.disturb(Network.on(/acquire=/, Network.answer(status, text)))
          const all = changes({ writes: [...large.writes, ...writes(3)] })
          expect(yield* writer.commit(all, 5)).toMatchObject([
            { _tag: "KeyRefused", key: "global/large", reason: `${status} ${text}`.trim() }
          ])
          expect(Object.keys(yield* stored)).toHaveLength(3)
          expect(yield* storedStatus).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("whose key was taken and not given back cost the leadership, which gives it back", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* leader.network.disturb(Network.on(/release=/, Network.answer(403, "Permission denied")))
        expect(yield* failureOf(writer.commit(large, 5))).toMatchObject({ _tag: "LockLost" })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped(
      "that Consul refuses as too large are named, and all the rest lands with a checkpoint that knows",
      () =>
        Effect.gen(function* () {
          const leader = yield* leading()
          const writer = yield* leader.open
          yield* writer.commit(one("1"), 4)
          yield* leader.network.disturb(Network.on(/large\?.*acquire=/, Network.answer(413, "no")))
          const most = { key: destinationKey("global/most"), value: largeValue, flags: 0n }
          const all = changes({ writes: [...large.writes, most, ...writes(150)], deletes: ["global/a"] })
          const staged = yield* writer.write(all.writes)
          const refusals = yield* writer.commit(all, 5, { heldDeletes: 2, refusedWrites: 3, unreadable: 0 })
          for (const refusal of [staged, refusals]) {
            expect(refusal).toMatchObject([{ _tag: "KeyTooLarge", key: "global/large", reason: "no" }])
          }
          expect(Object.keys(yield* stored)).toHaveLength(151)
          expect(yield* storedStatus).toMatchObject({
            State: "writes-refused",
            LastReplicated: 4,
            HeldDeletes: 2,
            RefusedWrites: 4
          })
          yield* leader.network.heal
          expect(yield* writer.commit(large, 6)).toEqual([])
          expect(yield* storedStatus).toMatchObject({ State: "in-sync", LastReplicated: 6, RefusedWrites: 0 })
        }).pipe(Effect.provide(World.layer))
    )

    it.scoped("that land after they were refused are no longer counted", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* leader.network.disturb(Network.denying((key) => key === "global/a"))
        yield* writer.write(one("1").writes)
        const again = yield* writer.commit(one("2"), 4)
        expect(again).toMatchObject([{ _tag: "KeyRefused", key: "global/a", reason: "Permission denied" }])
        expect(yield* storedStatus).toMatchObject({ State: "writes-refused", RefusedWrites: 1 })
        yield* leader.network.heal
        expect(yield* writer.commit(one("4"), 5)).toEqual([])
        expect(yield* storedStatus).toMatchObject({ State: "in-sync", RefusedWrites: 0, LastReplicated: 5 })
        expect(yield* stored).toEqual({ "global/a": "4" })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("are left out while another session holds their key, and named", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const { kv, session } = yield* ConsulOf(leader)
        const other = yield* session.create({
          name: "other",
          checks: ["serfHealth"],
          behavior: "release",
          lockDelay: 0
        })
        yield* kv.put({ key: "global/large", value: Value.empty }, { acquire: other })
        const writer = yield* leader.open
        const [refusal] = yield* writer.commit(large, 5)
        expect(refusal).toMatchObject({ _tag: "KeyLocked", key: "global/large" })
        expect(refusal?.message).toContain('"global/large" is locked by another session')
        yield* session.destroy(other)
        expect(yield* writer.commit(large, 5)).toEqual([])
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("go before the writes, and the deletes after them", () =>
      Effect.gen(function* () {
        const sim = yield* SimConsul.SimConsul
        const leader = yield* leading()
        const writer = yield* leader.open
        const landed: Array<string> = []
        yield* sim.observe(({ changes }) => landed.push(changes.map(({ key }) => key).join()))
        yield* writer.commit(
          changes({ writes: [...one("1").writes, ...large.writes], deletes: ["global/gone"] }),
          5
        )
        expect(landed).toEqual(["global/large", "global/large", `${World.status},global/a`])
      }).pipe(Effect.provide(World.layer))
    )
  })

  describe("the last line of defence", () => {
    it.scoped.each(["app/password", "globa", "global", World.lock, World.status, "global/status"])(
      "%s is neither written nor deleted, and nothing that comes with it is",
      (key) =>
        Effect.gen(function* () {
          const leader = yield* leading({ status: "global/status" })
          const sim = yield* SimConsul.SimConsul
          yield* sim.put(World.destination, "app/password", "secret")
          const writer = yield* leader.open
          const before = yield* sim.state(World.destination)
          const write = { key, value: Value.fromText("mine"), flags: 0n }
          const { flags, value } = large.writes[0] ?? write
          const refused = { _tag: "KeyOutsidePrefix", key }
          for (const writes of [[...one("1").writes, write], [{ key, value, flags }]]) {
            expect(yield* failureOf(writer.commit(changes({ writes }), 5))).toMatchObject(refused)
            expect(yield* failureOf(writer.write(changes({ writes }).writes))).toMatchObject(refused)
          }
          const deletes = changes({ writes: one("1").writes, deletes: [key] })
          const failure = yield* failureOf(writer.commit(deletes, 5))
          expect(failure).toMatchObject(refused)
          expect(failure.message).toContain(JSON.stringify(key))
          expect((yield* sim.state(World.destination)).index).toBe(before.index)
        }).pipe(Effect.provide(World.layer))
    )
  })

  describe("limits", () => {
    /** A Consul that takes fewer operations, or smaller bodies. */
    const takes =
      (operations: number, bytes: number): Network.Fault =>
      (sent, pass) => {
        const count = (JSON.parse(sent.body) as ReadonlyArray<unknown>).length
        const size = new TextEncoder().encode(sent.body).length
        return size > bytes
          ? Network.answer(413, `Request body(${size} bytes) too large, max size: ${bytes} bytes.`)(
              sent,
              pass
            )
          : count > operations
            ? Network.answer(413, `Transaction contains too many operations (${count} > ${operations})`)(
                sent,
                pass
              )
            : pass
      }

    /** Opens writers until one gets everything through, as a replicator does; says how many were refused. */
    const untilItLands = (leader: Leading, all: Changes) =>
      Effect.gen(function* () {
        for (let refused = 0; refused < 20; refused++) {
          const outcome = yield* Effect.either(Effect.flatMap(leader.open, (writer) => writer.commit(all, 5)))
          if (outcome._tag === "Right") return refused
          expect({ ...outcome.left, _tag: outcome.left._tag }).toMatchObject({ _tag: "LimitLowered" })
        }
        return yield* Effect.dieMessage("refused 20 times")
      })

    it.scoped("413 lowers them, and the next writer succeeds with what is left", () =>
      Effect.gen(function* () {
        for (const [operations, bytes] of [
          [10, 524_288],
          [64, 3_000],
          [3, 524_288],
          [5, 1_200]
        ] as const) {
          const leader = yield* leading()
          yield* leader.network.disturb(Network.on(transactions, takes(operations, bytes)))
          const all = changes({ writes: writes(70), deletes: ["global/gone"] })
          expect(yield* untilItLands(leader, all)).toBeGreaterThan(0)
          expect(Object.keys(yield* stored)).toHaveLength(70)
          expect(yield* storedStatus).toMatchObject({ State: "in-sync" })
          expect(yield* Ref.get(leader.memory.limits)).not.toEqual(defaultLimits)
          // Learned for good: nothing more is refused.
          expect(yield* untilItLands(leader, changes({ writes: writes(70, Value.fromText("2")) }))).toBe(0)
          const sim = yield* SimConsul.SimConsul
          yield* sim.destroySession(World.destination, leader.leader.fence.session)
        }
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a value that no transaction takes any more goes by a PUT of its own", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        yield* leader.network.disturb(Network.on(transactions, takes(64, 10_000)))
        const value = Value.fromBytes(new Uint8Array(20_000))
        const all = changes({ writes: [...one("1").writes, { key: "global/b", value, flags: 1n }] })
        yield* untilItLands(leader, all)
        expect(putsOf(leader)).toHaveLength(2)
        expect((yield* stored)["global/b"]).toHaveLength(20_000)
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a value that is larger than one may be is left out alone, whatever its key is called", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        const most = 20_000
        yield* leader.network.disturb((sent, pass) => {
          const size = (value = "") => atob(value).length
          if (sent.method === "PUT" && sent.target.startsWith("/v1/kv/global") && sent.body.length > most) {
            const text = `Request body(${sent.body.length} bytes) too large, max size: ${most} bytes.`
            return Network.answer(413, text)(sent, pass)
          }
          if (`${sent.method} ${sent.target}` !== transactions) return pass
          const operations = JSON.parse(sent.body) as ReadonlyArray<{ readonly KV: SentOperation }>
          const culprit = operations.find(({ KV }) => size(KV.Value) > most)?.KV
          if (culprit === undefined) return pass
          const text = `Value for key ${JSON.stringify(culprit.Key)} is too large (${size(culprit.Value)} > ${most} bytes)`
          return Network.answer(413, text.slice(0, 200))(sent, pass)
        })
        const names = ["runbook", "x".repeat(200), "Transaction contains too many operations (3 > 2)"]
        const tooLarge = names.map((name, i) => ({
          key: `global/operations/${name}`,
          value: Value.fromBytes(new Uint8Array(30_000 + i)),
          flags: 0n
        }))
        for (const first of [1, 0]) {
          const all = [
            ...writes(100, Value.fromText(String(first))),
            ...tooLarge.slice(first),
            ...others(100).map((key) => ({ key, value: Value.empty, flags: 0n }))
          ]
          const refusals = yield* writer.commit(changes({ writes: all, deletes: ["global/gone"] }), 5)
          expect(refusals.map(({ _tag, key }) => [_tag, key]).sort()).toEqual(
            tooLarge
              .slice(first)
              .map(({ key }) => ["KeyTooLarge", key])
              .sort()
          )
          expect(Object.keys(yield* stored)).toHaveLength(200)
          expect(yield* storedStatus).toMatchObject({ State: "writes-refused", RefusedWrites: 3 - first })
        }
        expect(yield* Ref.get(leader.memory.limits)).toEqual({ ...defaultLimits, value: most })
      }).pipe(Effect.provide(World.layer))
    )

    const refusingOne: Network.Fault = (sent, pass) => {
      const at = sent.body.indexOf('"Key":"global/a"') < 0 ? -1 : 2
      if (`${sent.method} ${sent.target}` !== transactions || at < 0) return pass
      const failures = { Results: null, Errors: [{ OpIndex: at, What: "Permission denied" }] }
      return Network.answer(409, JSON.stringify(failures))(sent, pass)
    }

    it.scoped("however many keys cannot be read at the source, one that is refused is left out", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* leader.network.disturb(refusingOne)
        const left = (refused: number) => ({
          heldDeletes: 0,
          refusedWrites: 5_000 + refused,
          unreadable: 5_000
        })
        expect(yield* writer.commit(one("1"), 5, left(999))).toMatchObject([{ key: "global/a" }])
        expect(yield* failureOf(writer.commit(one("1"), 5, left(1_000)))).toMatchObject({ _tag: "Conflict" })
      }).pipe(Effect.provide(World.layer))
    )

    it.scoped("a single operation that is refused cannot be halved, and is an error", () =>
      Effect.gen(function* () {
        const leader = yield* leading()
        const writer = yield* leader.open
        yield* leader.network.disturb(
          Network.on(transactions, Network.answer(413, "Transaction contains too many operations (3 > 2)"))
        )
        expect(yield* failureOf(writer.commit(one("1"), 5))).toMatchObject({ _tag: "TooLarge" })
        expect(yield* Ref.get(leader.memory.limits)).toEqual(defaultLimits)
      }).pipe(Effect.provide(World.layer))
    )
  })
})

const ConsulOf = (instance: World.Instance) => instance.run(ConsulHttp)

function statusWith(session: string) {
  return {
    LastReplicated: 3,
    Source: "nyc1",
    Prefix: "global/",
    DestinationPrefix: "global/",
    State: "in-sync",
    Instance: "consul-replicate-1",
    Session: session,
    Time: "2015-04-01T12:00:00.000Z"
  }
}
