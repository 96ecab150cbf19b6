/**
 * What is replicated where: the configuration of a replicator, and every reason to refuse it.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as DeleteLimit from "./DeleteLimit.js"
import * as HalfCharacter from "./internal/consul/HalfCharacter.js"
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
  /** Key of the status, at the destination. */
  readonly status: string
  /** Whether keys that the source has not are deleted at the destination. */
  readonly deletes: boolean
  /** How many of them one pass may delete. */
  readonly maxDeletes: DeleteLimit.DeleteLimit
  /** How often the destination is looked at for what others changed; zero: not while all goes well. */
  readonly reconcile: Duration.Duration
  /** How many blocking queries a prefix of many keys is watched with at most; 1: it is always watched as one. */
  readonly watchShards: number
  /** How many keys are read at once, about, and up to how many a prefix is watched as one. */
  readonly shardKeys: number
}

/**
 * Made by {@link make} only.
 *
 * @since 0.1.0
 * @category models
 */
export type Replication = ReplicationFields & Brand.Brand<"consul-replicate/Replication">

/** Options of {@link make} that the command line has not. */
const withoutFlag: ReadonlySet<string> = new Set(["shardKeys"])

/**
 * Wrong use, found before anything was touched. `option` is the name of the option of the command line, or that of
 * {@link make} where the command line has none.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidReplication extends Data.TaggedError("InvalidReplication")<{
  readonly option: string
  readonly problem: string
}> {
  override get message() {
    return `${withoutFlag.has(this.option) ? "" : "-"}${this.option}: ${this.problem}`
  }
}

/**
 * Keys and names are those of the first consul-replicate.
 *
 * @since 0.1.0
 * @category models
 */
export const defaults = {
  prefix: "global/",
  status: "service/consul-replicate/status",
  deletes: true,
  maxDeletes: DeleteLimit.defaultLimit,
  reconcile: Duration.minutes(1),
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
const datacenterName = /^[A-Za-z0-9_-]+$/

/**
 * A replication with defaults for what is not given; `destinationPrefix` is that of the source unless given.
 * `maxDeletes` is text, as in {@link DeleteLimit.parse}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly source: string
  readonly prefix?: string | undefined
  readonly destinationPrefix?: string | undefined
  readonly status?: string | undefined
  readonly deletes?: boolean | undefined
  readonly maxDeletes?: string | undefined
  readonly reconcile?: Duration.DurationInput | undefined
  readonly watchShards?: number | undefined
  readonly shardKeys?: number | undefined
}): Effect.fn.Return<Replication, InvalidReplication> {
  const invalid = (option: string, problem: string) => new InvalidReplication({ option, problem })
  const prefix = options.prefix ?? defaults.prefix
  const maxDeletes = yield* DeleteLimit.parse(
    options.maxDeletes ?? DeleteLimit.format(defaults.maxDeletes)
  ).pipe(Either.mapLeft((expected) => invalid("max-deletes", `the limit is ${expected}`)))
  const replication: ReplicationFields = {
    source: options.source.toLowerCase(),
    prefix,
    destinationPrefix: options.destinationPrefix ?? prefix,
    status: options.status ?? defaults.status,
    deletes: options.deletes ?? defaults.deletes,
    maxDeletes,
    reconcile: Duration.decode(options.reconcile ?? defaults.reconcile),
    watchShards: options.watchShards ?? defaults.watchShards,
    shardKeys: options.shardKeys ?? defaults.shardKeys
  }
  const { reconcile, shardKeys, source, status, watchShards } = replication
  if (source === "") return yield* invalid("src", "name the datacenter to replicate from")
  if (!datacenterName.test(source)) {
    return yield* invalid("src", `${JSON.stringify(source)} cannot be the name of a datacenter`)
  }
  if (status === "") return yield* invalid("status", "the status needs a key")
  const texts = [
    ["prefix", prefix],
    ["dst-prefix", replication.destinationPrefix],
    ["status", status]
  ] as const
  for (const [option, text] of texts) {
    const problem = HalfCharacter.problemOf(text)
    if (problem !== undefined) return yield* invalid(option, problem)
  }
  if (
    !Duration.isFinite(reconcile) ||
    (!Duration.isZero(reconcile) && Duration.lessThan(reconcile, shortestReconcile))
  ) {
    return yield* invalid("reconcile", "the interval is at least 100ms, or 0 for never")
  }
  if (!Number.isInteger(watchShards) || watchShards < 1 || watchShards > mostShards) {
    return yield* invalid("watch-shards", `the number of queries is from 1 to ${mostShards}`)
  }
  if (!Number.isInteger(shardKeys) || shardKeys < 1) {
    return yield* invalid("shardKeys", "the number of keys is at least 1")
  }
  return replication as Replication
})

/**
 * Refuses a status that would be written over the lock of its leader.
 *
 * @since 0.5.0
 * @category validation
 */
export const validateUnder = (
  { status }: Replication,
  lock: string
): Effect.Effect<void, InvalidReplication> =>
  lock === status
    ? new InvalidReplication({
        option: "status",
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
): Effect.Effect<void, InvalidReplication> => {
  const { destinationPrefix, prefix, source } = replication
  const overlap = prefix.startsWith(destinationPrefix) || destinationPrefix.startsWith(prefix)
  return source === datacenter && overlap
    ? new InvalidReplication({
        option: "src",
        problem:
          `the agent is in ${datacenter} itself, and the prefixes ${JSON.stringify(prefix)} and ` +
          `${JSON.stringify(destinationPrefix)} overlap; name another datacenter, or another -dst-prefix`
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
