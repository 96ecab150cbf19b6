import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as DeleteLimit from "../src/DeleteLimit.js"
import * as Replication from "../src/Replication.js"

const source = "nyc1"

describe("Replication", () => {
  it.effect("has queries for parts within what Consul allows an address that was just restarted", () =>
    Effect.gen(function* () {
      for (const watchShards of [1, 90]) {
        expect(yield* Replication.make({ source, watchShards })).toMatchObject({ watchShards })
      }
      for (const watchShards of [0, 91, 1.5, Number.NaN]) {
        const { option } = yield* Effect.flip(Replication.make({ source, watchShards }))
        expect(option).toBe("watch-shards")
      }
    })
  )

  it.effect("has the defaults of the first release; the destination prefix is that of the source", () =>
    Effect.gen(function* () {
      expect(yield* Replication.make({ source })).toEqual({
        source,
        prefix: "global/",
        destinationPrefix: "global/",
        status: "service/consul-replicate/status",
        deletes: true,
        maxDeletes: DeleteLimit.DeleteLimit.Share({ percent: 50 }),
        reconcile: Duration.seconds(60),
        watchShards: 56,
        shardKeys: 1_500
      })
      expect(
        yield* Replication.make({ source, maxDeletes: "200", deletes: false, reconcile: "250 millis" })
      ).toMatchObject({
        maxDeletes: DeleteLimit.DeleteLimit.Count({ count: 200 }),
        deletes: false,
        reconcile: Duration.millis(250)
      })
      expect(yield* Replication.make({ source, prefix: "a" })).toMatchObject({ destinationPrefix: "a" })
      expect(yield* Replication.make({ source, prefix: "", destinationPrefix: "b/" })).toMatchObject({
        prefix: "",
        destinationPrefix: "b/"
      })
      expect(yield* Replication.make({ source, prefix: "a", destinationPrefix: "" })).toMatchObject({
        prefix: "a",
        destinationPrefix: ""
      })
    })
  )

  it.effect("names of datacenters are lower case in Consul, however they are typed", () =>
    Effect.gen(function* () {
      expect(yield* Replication.make({ source: "NYC1" })).toMatchObject({ source: "nyc1" })
    })
  )

  it.effect.each([
    ["src", { source: "" }],
    ["src", { source: "nyc1.example.com" }],
    ["src", { source: "nyc1 " }],
    ["src", { source: "nyc1\n" }],
    ["src", { source: "nyc1?token=x" }],
    ["status", { source, status: "" }],
    ["prefix", { source, prefix: "\ud83d/" }],
    ["dst-prefix", { source, destinationPrefix: "\udfff/" }],
    ["status", { source, status: "\ud83dstatus" }],
    ["max-deletes", { source, maxDeletes: "" }],
    ["max-deletes", { source, maxDeletes: "many" }],
    ["max-deletes", { source, maxDeletes: "101%" }],
    ["reconcile", { source, reconcile: "1 millis" }],
    ["reconcile", { source, reconcile: Number.POSITIVE_INFINITY }]
  ] as const)("refuses and names -%s: %j", ([option, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Replication.make(options))
      expect(error).toMatchObject({ _tag: "InvalidReplication", option })
      expect(error.message).toMatch(new RegExp(`^-${option}: .`))
      expect(error.message).not.toContain("\n")
    })
  )

  it.effect("takes any key for the status: what no path can name goes by transaction", () =>
    Effect.gen(function* () {
      for (const key of ["a//b", "../a", "a\nb", "/", "\0", "a?b#c", "🫠"]) {
        expect(yield* Replication.make({ source, status: key })).toMatchObject({ status: key })
      }
    })
  )

  it.effect("refuses a status that would be written over the lock", () =>
    Effect.gen(function* () {
      const replication = yield* Replication.make({ source, status: "one" })
      const error = yield* Effect.flip(Replication.validateUnder(replication, "one"))
      expect(error.message).toBe("-status: the lock and the status need keys of their own, both are one")
      yield* Replication.validateUnder(replication, "two")
    })
  )

  it("is made by `make` only: a literal that nobody has checked does not compile", () => {
    const fields = { ...Replication.defaults, source: "", destinationPrefix: "", shardKeys: -1 }
    // @ts-expect-error
    const replication: Replication.Replication = fields
    expect(replication).toBe(fields)
  })

  it.effect("an option that the command line has not goes by the name that it has here", () =>
    Effect.gen(function* () {
      for (const shardKeys of [0, 1.5]) {
        const { message } = yield* Effect.flip(Replication.make({ source, shardKeys }))
        expect(message).toBe("shardKeys: the number of keys is at least 1")
      }
    })
  )

  it.effect.each([
    ["global/", "global/", true],
    ["global/", "global/copy/", true],
    ["global/copy/", "global/", true],
    ["global", "global/", true],
    ["", "copy/", true],
    ["global/", "", true],
    ["global/", "copy/", false],
    ["global/a", "global/b", false]
  ] as const)("a source in the agent's own datacenter, %j to %j, is refused: %s", ([from, to, refused]) =>
    Effect.gen(function* () {
      const replication = yield* Replication.make({ source, prefix: from, destinationPrefix: to })
      const outcome = yield* Effect.either(Replication.validateIn(replication, source))
      expect(outcome._tag).toBe(refused ? "Left" : "Right")
      if (outcome._tag === "Left") {
        expect(outcome.left.option).toBe("src")
        expect(outcome.left.message).toContain(`the agent is in ${source} itself`)
      }
      yield* Replication.validateIn(replication, "sfo1")
    })
  )
})
