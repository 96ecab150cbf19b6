/**
 * What is replicated where: the configuration of a replicator, and every reason to refuse it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

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
}

/**
 * Wrong use, found before anything was touched. `option` is the name of the option of the command line.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidReplication extends Data.TaggedError("InvalidReplication")<{
  readonly option: string
  readonly problem: string
}> {
  override get message() {
    return `-${this.option}: ${this.problem}`
  }
}

/**
 * The defaults of the first consul-replicate.
 *
 * @since 0.1.0
 * @category models
 */
export const defaults = {
  prefix: "global/",
  lock: "service/consul-replicate/leader",
  status: "service/consul-replicate/status",
  service: "consul-replicate"
} as const

/** Consul refuses to start with another name, and keeps it in lower case; a query in upper case finds no path. */
const datacenterName = /^[A-Za-z0-9_-]+$/

/**
 * A replication with defaults for what is not given; `destinationPrefix` is that of the source unless given.
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
}): Effect.fn.Return<Replication, InvalidReplication> {
  const invalid = (option: string, problem: string) => new InvalidReplication({ option, problem })
  const prefix = options.prefix ?? defaults.prefix
  const replication: Replication = {
    source: options.source.toLowerCase(),
    prefix,
    destinationPrefix: options.destinationPrefix ?? prefix,
    lock: options.lock ?? defaults.lock,
    status: options.status ?? defaults.status,
    service: options.service ?? defaults.service
  }
  const { lock, service, source, status } = replication
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
