import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import { Checkpoint, State, Status } from "../src/Checkpoint.js"
import { ConsulHttp } from "../src/ConsulHttp.js"
import { SimConsul } from "../src/testing/index.js"
import * as World from "../src/testing/World.js"
import { text } from "./support/Keys.js"

const status = fc
  .record({
    LastReplicated: fc.nat(),
    Source: fc.constantFrom("nyc1", "ams2"),
    Prefix: text,
    DestinationPrefix: text,
    State: fc.constantFrom(...State.literals),
    HeldDeletes: fc.nat(),
    RefusedWrites: fc.nat(),
    Instance: text,
    Session: fc.uuid(),
    Lock: fc.option(
      text.filter((lock) => lock !== ""),
      { nil: undefined }
    ),
    Time: fc.nat({ max: 2 ** 41 }).map((millis) => DateTime.unsafeMake(millis))
  })
  .map((fields) => new Status(fields))

describe("Checkpoint", () => {
  it.scoped.prop(
    "a status that was written is read back, whatever the prefixes",
    [status],
    ([status]) =>
      Effect.gen(function* () {
        const instance = yield* World.instance()
        yield* instance.run(
          Effect.gen(function* () {
            const checkpoint = yield* Checkpoint
            const consul = yield* ConsulHttp
            const [written] = yield* consul.transaction([checkpoint.operation(World.status, status, 0)])
            const stored = yield* checkpoint.read(World.status)
            expect(stored).toEqual({ status: Option.some(status), index: written?.modifyIndex })
          })
        )
      }).pipe(Effect.provide(World.layer)),
    { fastCheck: { numRuns: 30 } }
  )

  it.scoped("is JSON with the field names of the Go tool, readable for people", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      const checkpoint = yield* instance.run(Checkpoint)
      const operation = checkpoint.operation(
        World.status,
        new Status({
          LastReplicated: 42,
          Source: "nyc1",
          Prefix: "global/",
          DestinationPrefix: "copy/",
          State: "deletes-held",
          HeldDeletes: 3,
          Instance: "consul-replicate-0a1b2c3d",
          Session: "5f4ce0cd-9cd9-4a9e-a0d6-3f1a8a3c8f0e",
          Lock: "service/copy/leader",
          Time: DateTime.unsafeMake("2015-04-01T12:00:00Z")
        }),
        7
      )
      expect(operation).toMatchObject({ _tag: "Cas", key: World.status, flags: 0n, index: 7 })
      const value = "value" in operation ? Encoding.decodeBase64String(operation.value) : undefined
      expect(JSON.parse(value?._tag === "Right" ? value.right : "")).toEqual({
        LastReplicated: 42,
        Source: "nyc1",
        Prefix: "global/",
        DestinationPrefix: "copy/",
        State: "deletes-held",
        HeldDeletes: 3,
        RefusedWrites: 0,
        Instance: "consul-replicate-0a1b2c3d",
        Session: "5f4ce0cd-9cd9-4a9e-a0d6-3f1a8a3c8f0e",
        Lock: "service/copy/leader",
        Time: "2015-04-01T12:00:00.000Z"
      })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("a status of release 0.1.0 is read, with no deletes held and without a lock", () =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      const written = {
        LastReplicated: 42,
        Source: "nyc1",
        Prefix: "global/",
        DestinationPrefix: "copy/",
        State: "in-sync",
        Instance: "consul-replicate-0a1b2c3d",
        Session: "5f4ce0cd-9cd9-4a9e-a0d6-3f1a8a3c8f0e",
        Time: "2015-04-01T12:00:00.000Z"
      }
      yield* sim.put(World.destination, World.status, JSON.stringify(written))
      const instance = yield* World.instance()
      const { status } = yield* Effect.flatMap(instance.run(Checkpoint), ({ read }) => read(World.status))
      expect(Option.getOrNull(status)).toMatchObject({
        LastReplicated: 42,
        State: "in-sync",
        HeldDeletes: 0
      })
      expect(Option.getOrNull(status)?.Lock).toBeUndefined()
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("an absent key is no status, at index 0", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      const checkpoint = yield* instance.run(Checkpoint)
      expect(yield* checkpoint.read(World.status)).toEqual({ status: Option.none(), index: 0 })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped.each([
    ["what an older tool wrote", '{"LastReplicated":123,"Source":"nyc1","Prefix":"global/"}'],
    ["the status of the first release", '{"LastReplicated":123}'],
    ["garbage", "\xff\x00not JSON"],
    ["nothing", ""],
    ["null", "null"],
    ["an index that is none", '{"LastReplicated":-1}']
  ] as const)("%s is read as no status, at the index of the key", ([, value]) =>
    Effect.gen(function* () {
      const sim = yield* SimConsul.SimConsul
      yield* sim.put(
        World.destination,
        World.status,
        Uint8Array.from(value, (c) => c.charCodeAt(0))
      )
      const instance = yield* World.instance()
      const checkpoint = yield* instance.run(Checkpoint)
      const there = yield* World.entry(World.destination, World.status)
      expect(yield* checkpoint.read(World.status)).toEqual({
        status: Option.none(),
        index: there?.modifyIndex
      })
    }).pipe(Effect.provide(World.layer))
  )

  it.scoped("is read with a consistent read", () =>
    Effect.gen(function* () {
      const instance = yield* World.instance()
      const checkpoint = yield* instance.run(Checkpoint)
      yield* checkpoint.read(World.status)
      expect(instance.network.sent.map(({ target }) => target)).toEqual([
        `/v1/kv/${World.status}?consistent=`
      ])
    }).pipe(Effect.provide(World.layer))
  )
})
