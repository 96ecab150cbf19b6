/**
 * The configuration of a replicator, and every reason to refuse it.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { fromParseError, InvalidOptions } from "./InvalidOptions.js"
import { isSameTenancy, type Tenancy } from "./internal/consul/Endpoint.js"
import * as StatusFolder from "./internal/destination/StatusFolder.js"
import { overlaps } from "./internal/plan/Overlap.js"
import {
  defaults,
  FieldsSchema,
  OptionsSchema,
  type ReplicationFields,
  type ReplicationOptions
} from "./internal/ReplicationOptions.js"
import { routeText } from "./internal/report/RouteText.js"
import * as Quiescence from "./internal/source/Quiescence.js"
import { sourceName } from "./internal/source/SourceAgent.js"
import type * as Watcher from "./Watcher.js"

export {
  /**
   * @since 0.1.0
   * @category models
   */
  defaults,
  /**
   * @since 0.5.0
   * @category models
   */
  type ReplicationFields,
  /**
   * @since 0.5.0
   * @category models
   */
  type ReplicationOptions
} from "./internal/ReplicationOptions.js"
export {
  /**
   * @since 0.5.0
   * @category models
   */
  type SourceAgent,
  /**
   * @since 0.5.0
   * @category models
   */
  type SourceAgentOptions,
  /**
   * @since 0.5.0
   * @category accessors
   */
  sourceName
} from "./internal/source/SourceAgent.js"

/**
 * A checked configuration. {@link make}, {@link decodeUnknown}, {@link config} and the schema make it. TypeScript (5.9) gives the
 * brand to a spread too, as in `{ ...replication, watchShards: 0 }`. So `Replicator.run` checks each replication again.
 *
 * @since 0.1.0
 * @category models
 */
export type Replication = ReplicationFields & Brand.Brand<"consul-replicate/Replication">

/**
 * Decodes options, with defaults for missing fields. Encodes to all options, as JSON can hold them.
 *
 * @since 0.5.0
 * @category schemas
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Replication } from "consul-replicate"
 * import { Schema } from "effect"
 *
 * const File = Schema.parseJson(Schema.Struct({ replications: Schema.Array(Replication.Replication) }))
 *
 * const { replications } = Schema.decodeSync(File)('{"replications":[{"source":"nyc1"},{"source":"ams2"}]}')
 * assert.deepStrictEqual(
 *   replications.map(({ prefix, source }) => [source, prefix]),
 *   [
 *     ["nyc1", "global/"],
 *     ["ams2", "global/"]
 *   ]
 * )
 * ```
 */
export const Replication: Schema.Schema<Replication, ReplicationOptions> = Schema.transform(
  OptionsSchema,
  FieldsSchema,
  {
    strict: true,
    decode: ({ source = "", ...given }) => {
      const prefix = given.prefix ?? defaults.prefix
      return {
        source: source.toLowerCase(),
        sourceAgent: given.sourceAgent ?? {},
        prefix,
        destinationPrefix: given.destinationPrefix ?? prefix,
        exclude: given.exclude ?? defaults.exclude,
        status: given.status ?? defaults.status,
        deletes: given.deletes ?? defaults.deletes,
        maxDeletes: given.maxDeletes ?? defaults.maxDeletes,
        reconcile: given.reconcile ?? defaults.reconcile,
        wait: given.wait === undefined ? defaults.wait : Quiescence.fromOptions(given.wait),
        watchShards: given.watchShards ?? defaults.watchShards,
        shardKeys: given.shardKeys ?? defaults.shardKeys
      }
    },
    encode: (fields) => fields
  }
).pipe(Schema.brand("consul-replicate/Replication"))

const decoding = Schema.decodeUnknownEither(Replication, { onExcessProperty: "error" })

/**
 * Decodes what a configuration file has. Fails with the first field that cannot be used, or that there is not.
 *
 * @since 0.5.0
 * @category constructors
 */
export const decodeUnknown = (options: unknown): Either.Either<Replication, InvalidOptions> =>
  Either.mapLeft(decoding(options), (error) => fromParseError("Replication", options, error))

/**
 * A replication with {@link defaults} for what is not given.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Replication } from "consul-replicate"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const replication = yield* Replication.make({ source: "nyc1", prefix: "config/", maxDeletes: "20%" })
 *   assert.strictEqual(replication.destinationPrefix, "config/")
 *   const error = yield* Effect.flip(Replication.make({ source: "nyc1", watchShards: 0 }))
 *   assert.deepStrictEqual([error.field, error.given], ["watchShards", 0])
 * })
 * ```
 */
export const make = (options: ReplicationOptions): Effect.Effect<Replication, InvalidOptions> =>
  Effect.suspend(() => decodeUnknown(options))

const validating = Schema.validateEither(Replication)

/**
 * Checks the fields again, as `Replicator.run` does: see {@link Replication}.
 *
 * @since 0.5.0
 * @category validation
 */
export const validate = (replication: Replication): Effect.Effect<void, InvalidOptions> =>
  Effect.suspend(() =>
    Either.mapLeft(validating(replication), (error) => fromParseError("Replication", replication, error))
  ).pipe(Effect.asVoid)

const given = Config.withDefault(undefined)

/**
 * Options by the names of their fields: `source`, `destinationPrefix` and so on. `Config.nested` puts them under a name.
 *
 * @since 0.5.0
 * @category config
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Replication } from "consul-replicate"
 * import { Config, ConfigProvider, Effect } from "effect"
 *
 * const variables = new Map([
 *   ["COPY_SOURCE", "nyc1"],
 *   ["COPY_DESTINATION_PREFIX", "copy/"]
 * ])
 *
 * export const program = Effect.gen(function* () {
 *   const { destinationPrefix, source } = yield* Config.nested(Replication.config, "copy")
 *   assert.deepStrictEqual([source, destinationPrefix], ["nyc1", "copy/"])
 * }).pipe(
 *   Effect.withConfigProvider(
 *     // `ConfigProvider.fromEnv({ pathDelim: "_" })` reads the environment.
 *     ConfigProvider.constantCase(ConfigProvider.fromMap(variables, { pathDelim: "_" }))
 *   )
 * )
 * ```
 */
export const config: Config.Config<Replication> = Config.all({
  source: given(Config.string("source").pipe(Config.withDescription("Datacenter to replicate from."))),
  sourceAgent: Config.all({
    address: given(Config.string("address")),
    namespace: given(Config.string("namespace")),
    partition: given(Config.string("partition")),
    token: given(Config.redacted("token")),
    auth: given(Config.redacted("auth"))
  }).pipe(Config.nested("sourceAgent")),
  prefix: given(Config.string("prefix")),
  destinationPrefix: given(Config.string("destinationPrefix")),
  exclude: given(Config.array(Config.string(), "exclude")),
  status: given(Config.string("status")),
  deletes: given(Config.boolean("deletes")),
  maxDeletes: given(Config.string("maxDeletes")),
  reconcile: given(Config.duration("reconcile")),
  wait: given(
    Config.nested(Config.all({ min: Config.duration("min"), max: given(Config.duration("max")) }), "wait")
  ),
  watchShards: given(Config.integer("watchShards")),
  shardKeys: given(Config.integer("shardKeys"))
}).pipe(
  Config.mapOrFail((options) =>
    Either.mapLeft(decodeUnknown(options), ({ field, problem }) => ConfigError.InvalidData([field], problem))
  )
)

/**
 * The replication of a program that has one. `Replicator.run` takes its replication as an argument, since a program may
 * run several.
 *
 * @since 0.5.0
 * @category tags
 */
export class CurrentReplication extends Context.Tag("consul-replicate/CurrentReplication")<
  CurrentReplication,
  Replication
>() {}

/**
 * @since 0.5.0
 * @category layers
 */
export const layer = (options: ReplicationOptions): Layer.Layer<CurrentReplication, InvalidOptions> =>
  Layer.effect(CurrentReplication, make(options))

/**
 * The same with options that are `Config`s, each or all together: `Replication.layerConfig(Replication.config)`.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<ReplicationOptions>
): Layer.Layer<CurrentReplication, InvalidOptions | ConfigError.ConfigError> =>
  Layer.effect(CurrentReplication, Effect.flatMap(Config.unwrap(options), make))

/**
 * {@link config} from variables of the environment that are named like the fields, such as `DESTINATION_PREFIX`.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerFromEnv: Layer.Layer<CurrentReplication, ConfigError.ConfigError> = Layer.effect(
  CurrentReplication,
  config.pipe(Effect.withConfigProvider(ConfigProvider.constantCase(ConfigProvider.fromEnv())))
)

/**
 * Refuses a status that would be written over the lock of its leader, and a destination among the statuses of others.
 *
 * @since 0.5.0
 * @category validation
 */
export const validateUnder = (
  replication: Replication,
  lock: string
): Effect.Effect<void, InvalidOptions> => {
  const { destinationPrefix, status } = replication
  if (lock === status) {
    return new InvalidOptions({
      of: "Replication",
      field: "status",
      given: status,
      problem: `the lock and the status need keys of their own, both are ${lock}`
    })
  }
  const statuses = StatusFolder.frontOf(replication)
  return statuses !== undefined && destinationPrefix.startsWith(statuses)
    ? new InvalidOptions({
        of: "Replication",
        field: "destinationPrefix",
        given: destinationPrefix,
        problem: `${JSON.stringify(destinationPrefix)} is in the folder of the statuses`
      })
    : Effect.void
}

/**
 * Whether the source is the destination's own store: its datacenter, and its `tenancy`. Not known of a source with an address
 * of its own.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isFromDestination = (
  { source, sourceAgent }: Pick<Replication, "source" | "sourceAgent">,
  datacenter: string,
  tenancy: Tenancy = {}
): boolean =>
  sourceAgent.address === undefined &&
  source === datacenter &&
  isSameTenancy(tenancy, { ...tenancy, ...sourceAgent })

/**
 * Refuses a source that is the destination's own datacenter when the prefixes overlap: it would copy its own copies. `tenancy`
 * is that of the destination. Whether a source with an address of its own is the same cluster shows only when it is asked.
 *
 * @since 0.1.0
 * @category validation
 */
export const validateIn = (
  replication: Replication,
  datacenter: string,
  tenancy: Tenancy = {}
): Effect.Effect<void, InvalidOptions> => {
  const { destinationPrefix, prefix, source } = replication
  return isFromDestination(replication, datacenter, tenancy) && overlaps(replication)
    ? new InvalidOptions({
        of: "Replication",
        field: "source",
        given: source,
        problem:
          `the agent is in ${datacenter} itself, and the prefixes ${JSON.stringify(prefix)} and ` +
          `${JSON.stringify(destinationPrefix)} overlap; name another datacenter`,
        alternative: "destinationPrefix"
      })
    : Effect.void
}

/**
 * From where to where, for people: `nyc1 "global/" to "global/"`. The source is named as by {@link sourceName}.
 *
 * @since 0.5.0
 * @category accessors
 */
export const route = ({
  destinationPrefix,
  prefix,
  source,
  sourceAgent = {}
}: Pick<Replication, "destinationPrefix" | "prefix" | "source"> &
  Partial<Pick<Replication, "sourceAgent">>): string =>
  routeText({ source: sourceName({ source, sourceAgent }), prefix, destinationPrefix })

/**
 * The options of the watch of a replication's source.
 *
 * @since 0.5.0
 * @category watching
 */
export const watched = (replication: Replication): Watcher.WatchOptions => {
  const { prefix, shardKeys, source, sourceAgent, watchShards } = replication
  const { address, ...agent } = sourceAgent
  return {
    source: {
      ...agent,
      ...(address !== undefined && { address }),
      datacenter: source === "" ? undefined : source
    },
    prefix,
    shards: watchShards,
    keysEach: shardKeys
  }
}
