import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as DeleteLimit from "../src/DeleteLimit.js"
import * as Replication from "../src/Replication.js"
import * as Replicator from "../src/Replicator.js"
import * as World from "../src/testing/World.js"
import { text } from "./support/Keys.js"

const source = "nyc1"

describe("Replication", () => {
  it.effect("has queries for parts within what Consul allows an address that was just restarted", () =>
    Effect.gen(function* () {
      for (const watchShards of [1, 90]) {
        expect(yield* Replication.make({ source, watchShards })).toMatchObject({ watchShards })
      }
      for (const watchShards of [0, 91, 1.5, Number.NaN]) {
        const { field } = yield* Effect.flip(Replication.make({ source, watchShards }))
        expect(field).toBe("watchShards")
      }
    })
  )

  it.effect("has the defaults of the first release; the destination prefix is that of the source", () =>
    Effect.gen(function* () {
      expect(yield* Replication.make({ source })).toEqual({
        source,
        sourceAgent: {},
        prefix: "global/",
        destinationPrefix: "global/",
        exclude: [],
        status: "service/consul-replicate/status",
        deletes: true,
        maxDeletes: DeleteLimit.DeleteLimit.Share({ percent: 50 }),
        reconcile: Duration.seconds(60),
        wait: { min: Duration.zero, max: Duration.zero },
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

  it.effect("waits four times as long at most as at least, unless it is told how long, and no shorter", () =>
    Effect.gen(function* () {
      expect(yield* Replication.make({ source, wait: { min: "5 seconds" } })).toMatchObject({
        wait: { min: Duration.seconds(5), max: Duration.seconds(20) }
      })
      expect(yield* Replication.make({ source, wait: { min: "5 seconds", max: "5 seconds" } })).toMatchObject(
        {
          wait: { max: Duration.seconds(5) }
        }
      )
      for (const max of ["4 seconds", Duration.infinity] as const) {
        const { field } = yield* Effect.flip(Replication.make({ source, wait: { min: "5 seconds", max } }))
        expect(field).toBe("wait")
      }
    })
  )

  it.effect("names of datacenters are lower case in Consul, however they are typed", () =>
    Effect.gen(function* () {
      expect(yield* Replication.make({ source: "NYC1" })).toMatchObject({ source: "nyc1" })
    })
  )

  it.effect.each([
    ["source", { source: "" }],
    ["source", { source: "nyc1.example.com" }],
    ["source", { source: "nyc1 " }],
    ["source", { source: "nyc1\n" }],
    ["source", { source: "nyc1?token=x" }],
    ["status", { source, status: "" }],
    ["prefix", { source, prefix: "\ud83d/" }],
    ["destinationPrefix", { source, destinationPrefix: "\udfff/" }],
    ["status", { source, status: "\ud83dstatus" }],
    ["exclude", { source, exclude: ["global/a", ""] }],
    ["exclude", { source, exclude: ["\ud83d"] }],
    ["maxDeletes", { source, maxDeletes: "" }],
    ["maxDeletes", { source, maxDeletes: "many" }],
    ["maxDeletes", { source, maxDeletes: "101%" }],
    ["reconcile", { source, reconcile: "1 millis" }],
    ["reconcile", { source, reconcile: Number.POSITIVE_INFINITY }]
  ] as const)("refuses and names %s, with what was given and no flag: %j", ([field, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Replication.make(options))
      expect(error).toMatchObject({ _tag: "InvalidOptions", of: "Replication", field })
      expect(options).toHaveProperty(field, error.given)
      expect(error.message).toMatch(new RegExp(`^${field}: .`))
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
      expect(error.message).toBe("status: the lock and the status need keys of their own, both are one")
      yield* Replication.validateUnder(replication, "two")
    })
  )

  it("is made by `make` only: a literal that nobody has checked does not compile", () => {
    const fields = { ...Replication.defaults, source: "", destinationPrefix: "", shardKeys: -1 }
    // @ts-expect-error
    const replication: Replication.Replication = fields
    expect(replication).toBe(fields)
  })

  it.effect("has at least one key in a shard", () =>
    Effect.gen(function* () {
      for (const shardKeys of [0, 1.5]) {
        const { message } = yield* Effect.flip(Replication.make({ source, shardKeys }))
        expect(message).toBe("shardKeys: the number of keys is at least 1")
      }
    })
  )

  it("decodes what a file has, and names the field that is missing, unknown or of another type", () => {
    const problemOf = (options: unknown) =>
      Either.match(Replication.decodeUnknown(options), {
        onLeft: ({ field, given, problem }) => ({ field, given, problem }),
        onRight: () => undefined
      })
    expect(problemOf({ source, maxDeletes: "10%", reconcile: "5 seconds" })).toBeUndefined()
    expect(problemOf({ prefix: "a/" })).toEqual({
      field: "source",
      given: undefined,
      problem: "name the datacenter to replicate from"
    })
    expect(problemOf({ sourceAgent: { address: "consul.example.com" } })).toBeUndefined()
    expect(problemOf({ sourceAgent: { address: "ftp://a" } })).toMatchObject({ field: "sourceAgent" })
    expect(problemOf({ sourceAgent: { namespace: "team" } })).toMatchObject({ field: "source" })
    expect(problemOf({ source, sourceAgent: { token: "5ecret" } })).toMatchObject({ field: "sourceAgent" })
    expect(problemOf({ source, deletes: "no" })).toMatchObject({ field: "deletes", given: "no" })
    expect(problemOf({ source, reconcile: "soon" })).toEqual({
      field: "reconcile",
      given: "soon",
      problem: 'not a duration; write one such as "10 seconds"'
    })
    expect(problemOf({ source, maxDelete: "1" })).toMatchObject({ field: "maxDelete", given: "1" })
    for (const given of [null, "nyc1", 5, undefined])
      expect(problemOf(given)).toMatchObject({ field: "", given })
  })

  it.effect.prop(
    "encodes to JSON that decodes to the same",
    { prefix: text, shards: fc.integer({ min: 1, max: 90 }), percent: fc.integer({ min: 0, max: 100 }) },
    ({ percent, prefix, shards }) =>
      Effect.gen(function* () {
        const replication = yield* Replication.make({
          source,
          prefix,
          watchShards: shards,
          maxDeletes: `${percent}%`
        })
        const json = JSON.stringify(yield* Schema.encode(Replication.Replication)(replication))
        expect(Replication.decodeUnknown(JSON.parse(json))).toEqual(Either.right(replication))
      })
  )

  it.effect("a replication with one field changed can be made of another one", () =>
    Effect.gen(function* () {
      const one = yield* Replication.make({ source, maxDeletes: "7", reconcile: 0 })
      expect(yield* Replication.make({ ...one, status: "other" })).toEqual({ ...one, status: "other" })
    })
  )

  it.scoped("a spread that breaks a rule keeps its type, and is refused before anything is sent", () =>
    Effect.gen(function* () {
      const replication: Replication.Replication = {
        ...(yield* Replication.make({ source })),
        watchShards: 0
      }
      const instance = yield* World.instance()
      const error = yield* Effect.flip(instance.run(Replicator.run(replication)))
      expect(error).toMatchObject({ field: "watchShards", given: 0 })
      expect(instance.network.sent).toEqual([])
    }).pipe(Effect.provide(World.layer))
  )

  it.effect("is read by Config under any name, and an error has the way to the field", () =>
    Effect.gen(function* () {
      const read = (entries: Readonly<Record<string, string>>) =>
        Config.nested(Replication.config, "copy").pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries))))
        )
      expect(
        yield* read({ "copy.source": "NYC1", "copy.reconcile": "5 seconds", "copy.deletes": "no" })
      ).toEqual(yield* Replication.make({ source, reconcile: "5 seconds", deletes: false }))
      expect(yield* Effect.flip(read({ "copy.source": source, "copy.watchShards": "91" }))).toMatchObject({
        _op: "InvalidData",
        path: ["copy", "watchShards"]
      })
      expect(yield* Effect.flip(read({}))).toMatchObject({ _op: "InvalidData", path: ["copy", "source"] })
      expect(
        yield* read({
          "copy.sourceAgent.address": "consul.example.com",
          "copy.sourceAgent.namespace": "team"
        })
      ).toMatchObject({
        source: "",
        sourceAgent: { address: "http://consul.example.com:8500", namespace: "team" }
      })
    })
  )

  it.effect("is a service by a layer, by a layer of Configs and by the environment", () =>
    Effect.gen(function* () {
      const wanted = yield* Replication.make({ source, prefix: "a/" })
      const variables = ConfigProvider.fromMap(new Map([["from", source]]))
      const options = { source: Config.string("from"), prefix: Config.succeed("a/") }
      for (const layer of [
        Replication.layer({ source, prefix: "a/" }),
        Replication.layerConfig(options),
        Replication.layerConfig(Config.map(Config.string("from"), (source) => ({ source, prefix: "a/" })))
      ]) {
        const replication = yield* Replication.CurrentReplication.pipe(
          Effect.provide(layer),
          Effect.withConfigProvider(variables)
        )
        expect(replication).toEqual(wanted)
      }
      expect(
        yield* Effect.flip(Layer.build(Replication.layer({ source: "" })).pipe(Effect.scoped))
      ).toMatchObject({
        _tag: "InvalidOptions",
        field: "source"
      })
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
        expect(outcome.left).toMatchObject({ field: "source", alternative: "destinationPrefix" })
        expect(outcome.left.message).toContain(`the agent is in ${source} itself`)
      }
      yield* Replication.validateIn(replication, "sfo1")
    })
  )
})
