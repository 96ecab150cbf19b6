/**
 * What is replicated where: the configuration of a replicator, and every reason to refuse it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as DeleteLimit from "./DeleteLimit.js"
import * as Watcher from "./Watcher.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Replication {
  /** The datacenter that is authoritative. */
  readonly source: string
  /** Copied are the keys that start with this, at the source. Empty: the whole store. */
  readonly prefix: string
  /** What takes the place of `prefix` at the destination. */
  readonly destinationPrefix: string
  /** Key of the lock that the leader holds, at the destination. */
  readonly lock: string
  /** Key of the status, at the destination. */
  readonly status: string
  /** Name in Consul's catalog. */
  readonly service: string
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
  lock: "service/consul-replicate/leader",
  status: "service/consul-replicate/status",
  service: "consul-replicate",
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
 * An instance of the service is called by its name, a dash and a number, and its check is updated and removed by a path
 * with that in it. Consul (1.8.7) registers any name, and then redirects a path that it cleans (`//`, `/./`, `/../`, and
 * one that begins with `/`, `./` or `../`) and refuses characters that are not printable.
 */
const cleanedInPath = /^\/|^\.{1,2}\/|\/\/|\/\.{1,2}\//
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

/** Half of a surrogate pair has no UTF-8 form, and arrives at Consul as another key. */
const halfCharacter = /\p{Cs}/u

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
  readonly lock?: string | undefined
  readonly status?: string | undefined
  readonly service?: string | undefined
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
  const replication: Replication = {
    source: options.source.toLowerCase(),
    prefix,
    destinationPrefix: options.destinationPrefix ?? prefix,
    lock: options.lock ?? defaults.lock,
    status: options.status ?? defaults.status,
    service: options.service ?? defaults.service,
    deletes: options.deletes ?? defaults.deletes,
    maxDeletes,
    reconcile: Duration.decode(options.reconcile ?? defaults.reconcile),
    watchShards: options.watchShards ?? defaults.watchShards,
    shardKeys: options.shardKeys ?? defaults.shardKeys
  }
  const { lock, reconcile, service, shardKeys, source, status, watchShards } = replication
  if (source === "") return yield* invalid("src", "name the datacenter to replicate from")
  if (!datacenterName.test(source)) {
    return yield* invalid("src", `${JSON.stringify(source)} cannot be the name of a datacenter`)
  }
  if (lock === "") return yield* invalid("lock", "the lock needs a key")
  if (status === "") return yield* invalid("status", "the status needs a key")
  if (lock === status) {
    return yield* invalid("status", `the lock and the status need keys of their own, both are ${lock}`)
  }
  if (service === "") return yield* invalid("service", "the service needs a name")
  if (cleanedInPath.test(`${service}-`)) {
    return yield* invalid(
      "service",
      `${JSON.stringify(service)} has a part that is empty, "." or "..", by which Consul does not find its check`
    )
  }
  if (unprintable.test(service)) {
    return yield* invalid(
      "service",
      `${JSON.stringify(service)} has a character that cannot be printed, by which Consul does not find its check`
    )
  }
  const texts = [
    ["prefix", prefix],
    ["dst-prefix", replication.destinationPrefix],
    ["lock", lock],
    ["status", status]
  ] as const
  for (const [option, text] of texts) {
    if (halfCharacter.test(text)) {
      return yield* invalid(option, `${JSON.stringify(text)} has half of a character, which no key can have`)
    }
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
  return replication
})

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
