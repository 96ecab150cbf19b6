/**
 * What is replicated where: the configuration of a replicator, and every reason to refuse it.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as DeleteLimit from "./DeleteLimit.js"
import { fromParseError, InvalidOptions } from "./InvalidOptions.js"
import * as HalfCharacter from "./internal/consul/HalfCharacter.js"
import { DurationFromInput } from "./internal/effect/DurationFromInput.js"
import * as Quiescence from "./internal/source/Quiescence.js"
import * as Watcher from "./Watcher.js"

/**
 * @since 0.5.0
 * @category models
 */
export interface ReplicationFields {
  /** The datacenter that is authoritative. */
  readonly source: string
  /** Copied are the keys that start with this, at the source. Empty: the whole store. */
  readonly prefix: string
  /** What takes the place of `prefix` at the destination. */
  readonly destinationPrefix: string
  /**
   * Fronts of keys of the source, as they are typed. A key that begins with one of them is neither copied nor, by its name
   * at the destination, overwritten or deleted, and it counts for no limit. Another key with a part of such a name is none.
   */
  readonly exclude: ReadonlyArray<string>
  /** Key of the status, at the destination. */
  readonly status: string
  /** Whether keys that the source has not are deleted at the destination. */
  readonly deletes: boolean
  /** How many of them one pass may delete. */
  readonly maxDeletes: DeleteLimit.DeleteLimit
  /** How often the destination is looked at for what others changed; zero: not while all goes well. */
  readonly reconcile: Duration.Duration
  /**
   * Changes of the source are replicated when none has come for `min`, or `max` after the first of them. Zero: at once. A
   * comparison in full does not wait.
   */
  readonly wait: Quiescence.Wait
  /** How many blocking queries a prefix of many keys is watched with at most; 1: it is always watched as one. */
  readonly watchShards: number
  /** How many keys are read at once, about, and up to how many a prefix is watched as one. */
  readonly shardKeys: number
}

/**
 * What was checked: {@link make}, {@link decodeUnknown}, {@link config} and the schema make it. TypeScript (5.9) gives the
 * brand to a spread too, as in `{ ...replication, watchShards: 0 }`. So `Replicator.run` checks each replication again.
 *
 * @since 0.1.0
 * @category models
 */
export type Replication = ReplicationFields & Brand.Brand<"consul-replicate/Replication">

/**
 * What {@link make} is given, and what a configuration file has. {@link defaults} has what is not given.
 *
 * @since 0.5.0
 * @category models
 */
export interface ReplicationOptions {
  /** Name of the datacenter that is authoritative, in any case of letters. */
  readonly source: string
  /** See {@link ReplicationFields}. */
  readonly prefix?: string | undefined
  /** See {@link ReplicationFields}. The same as `prefix` unless given. */
  readonly destinationPrefix?: string | undefined
  /** See {@link ReplicationFields}. None is empty. None unless given. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** See {@link ReplicationFields}. */
  readonly status?: string | undefined
  /** See {@link ReplicationFields}. */
  readonly deletes?: boolean | undefined
  /** A limit, or its text as in `DeleteLimit.parse`. */
  readonly maxDeletes?: DeleteLimit.DeleteLimit | string | undefined
  /** At least 100 ms, or zero. A number is ms. */
  readonly reconcile?: Duration.DurationInput | undefined
  /** See {@link ReplicationFields}. Numbers are ms. `max` is four times `min` unless given, as in the Go tool. */
  readonly wait?:
    | { readonly min: Duration.DurationInput; readonly max?: Duration.DurationInput | undefined }
    | undefined
  /** From 1 to 90. */
  readonly watchShards?: number | undefined
  /** At least 1. */
  readonly shardKeys?: number | undefined
}

/**
 * Keys and names are those of the first consul-replicate.
 *
 * @since 0.1.0
 * @category models
 */
export const defaults = {
  prefix: "global/",
  exclude: [] as ReadonlyArray<string>,
  status: "service/consul-replicate/status",
  deletes: true,
  maxDeletes: DeleteLimit.defaultLimit,
  reconcile: Duration.minutes(1),
  wait: { min: Duration.zero, max: Duration.zero },
  watchShards: Watcher.defaults.shards,
  shardKeys: Watcher.defaults.keysEach
} as const

/**
 * Consul (1.8.7) refuses an address that has 200 connections, and holds those of blocking queries for a minute after
 * their client has gone: a process that was just restarted must have room beside what it has left behind.
 */
const mostShards = 90

/** More often, an idle replicator would do nothing but look. */
const shortestReconcile = Duration.millis(100)

/** Consul refuses to start with another name, and keeps it in lower case; a query in upper case finds no path. */
const datacenterName = /^[a-z0-9_-]+$/

const sourceProblem = (source: string): string | undefined => {
  if (source === "") return "name the datacenter to replicate from"
  return datacenterName.test(source)
    ? undefined
    : `${JSON.stringify(source)} cannot be the name of a datacenter`
}

const reconcileProblem = (reconcile: Duration.Duration): string | undefined =>
  Duration.isFinite(reconcile) &&
  (Duration.isZero(reconcile) || Duration.greaterThanOrEqualTo(reconcile, shortestReconcile))
    ? undefined
    : "the interval is at least 100ms, or 0 for never"

const excludeProblem = (exclude: string): string | undefined =>
  exclude === "" ? "an empty exclude would exclude every key" : undefined

const Text = Schema.String.pipe(Schema.filter(HalfCharacter.problemOf))

const fields = Schema.Struct({
  source: Schema.String.pipe(Schema.filter(sourceProblem)),
  prefix: Text,
  destinationPrefix: Text,
  exclude: Schema.Array(Text.pipe(Schema.filter(excludeProblem))),
  status: Text.pipe(Schema.filter((status) => (status === "" ? "the status needs a key" : undefined))),
  deletes: Schema.Boolean,
  maxDeletes: DeleteLimit.DeleteLimitFromSelf,
  reconcile: Schema.DurationFromSelf.pipe(Schema.filter(reconcileProblem)),
  wait: Schema.Struct({ min: Schema.DurationFromSelf, max: Schema.DurationFromSelf }).pipe(
    Schema.filter(Quiescence.problemOf)
  ),
  watchShards: Schema.Number.pipe(
    Schema.filter((shards) =>
      Number.isInteger(shards) && shards >= 1 && shards <= mostShards
        ? undefined
        : `the number of queries is from 1 to ${mostShards}`
    )
  ),
  shardKeys: Schema.Number.pipe(
    Schema.filter((keys) =>
      Number.isInteger(keys) && keys >= 1 ? undefined : "the number of keys is at least 1"
    )
  )
})

const options = Schema.Struct({
  source: Schema.String,
  prefix: Schema.optional(Schema.String),
  destinationPrefix: Schema.optional(Schema.String),
  exclude: Schema.optional(Schema.Array(Schema.String)),
  status: Schema.optional(Schema.String),
  deletes: Schema.optional(Schema.Boolean),
  maxDeletes: Schema.optional(
    Schema.Union(DeleteLimit.DeleteLimitFromString, DeleteLimit.DeleteLimitFromSelf)
  ),
  reconcile: Schema.optional(DurationFromInput),
  wait: Schema.optional(Schema.Struct({ min: DurationFromInput, max: Schema.optional(DurationFromInput) })),
  watchShards: Schema.optional(Schema.Number),
  shardKeys: Schema.optional(Schema.Number)
})

/**
 * Decodes options with defaults for what is not given. Encodes to options that JSON can hold, all of them.
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
export const Replication: Schema.Schema<Replication, ReplicationOptions> = Schema.transform(options, fields, {
  strict: true,
  decode: ({ source, ...given }) => {
    const prefix = given.prefix ?? defaults.prefix
    return {
      source: source.toLowerCase(),
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
}).pipe(Schema.brand("consul-replicate/Replication"))

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
  source: Config.string("source").pipe(Config.withDescription("Datacenter to replicate from.")),
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
 * Refuses a status that would be written over the lock of its leader.
 *
 * @since 0.5.0
 * @category validation
 */
export const validateUnder = ({ status }: Replication, lock: string): Effect.Effect<void, InvalidOptions> =>
  lock === status
    ? new InvalidOptions({
        of: "Replication",
        field: "status",
        given: status,
        problem: `the lock and the status need keys of their own, both are ${lock}`
      })
    : Effect.void

/**
 * Refuses a source that is the destination's own datacenter when the prefixes overlap: it would copy its own copies.
 *
 * @since 0.1.0
 * @category validation
 */
export const validateIn = (
  replication: Replication,
  datacenter: string
): Effect.Effect<void, InvalidOptions> => {
  const { destinationPrefix, prefix, source } = replication
  const overlap = prefix.startsWith(destinationPrefix) || destinationPrefix.startsWith(prefix)
  return source === datacenter && overlap
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
 * From where to where, for people: `nyc1 "global/" to "global/"`.
 *
 * @since 0.5.0
 * @category accessors
 */
export const route = ({
  destinationPrefix,
  prefix,
  source
}: Pick<Replication, "destinationPrefix" | "prefix" | "source">): string =>
  `${source} ${JSON.stringify(prefix)} to ${JSON.stringify(destinationPrefix)}`

/**
 * What a replication watches.
 *
 * @since 0.5.0
 * @category watching
 */
export const watched = ({ prefix, shardKeys, source, watchShards }: Replication): Watcher.WatchOptions => ({
  source: { datacenter: source },
  prefix,
  shards: watchShards,
  keysEach: shardKeys
})
