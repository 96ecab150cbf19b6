/**
 * The options of a lock, their defaults, and their validation.
 */
import type * as Brand from "effect/Brand"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { fromParseError, type InvalidOptions } from "../../InvalidOptions.js"
import * as HalfCharacter from "../consul/HalfCharacter.js"
import { DurationFromInput } from "../effect/DurationFromInput.js"

/**
 * The time to live of the service's check. Consul releases the lock of a killed leader this long after its last heartbeat (3.0 s
 * measured with 3 s), so it limits the failover. With less than 3 s, a process that is paused for a moment loses the lock.
 */
const checkTtl = Duration.seconds(3)

/**
 * Fields of valid options.
 *
 * @since 0.5.0
 * @category models
 */
export interface LockFields {
  /** Key of the lock. */
  readonly lock: string
  /**
   * Name of the service of all instances in Consul's catalog. If they are `agentless`, the names of their sessions begin with
   * it.
   */
  readonly service: string
  /**
   * What the leader does, in one line for people. An instance that stands by for another purpose warns, because all instances
   * with one lock should do the same. Unless given, it is the purpose of the use that leads.
   */
  readonly purpose?: string | undefined
  /** Time to live of the service's check without a heartbeat: 3 s unless given. */
  readonly ttl: Duration.Duration
  /**
   * Whether several servers answer at the address of the client, and no agent of this host. Then no service is registered, and
   * the session ends by its own time to live: after a leader was killed, another one leads within twice that time.
   */
  readonly agentless: boolean
  /**
   * Time to live of the session without a renewal, or longer if the servers demand it (`session_ttl_min`). Unless given, 15 s
   * if `agentless`. Beside an agent 30 s: there the check ends the session sooner.
   */
  readonly sessionTtl?: Duration.Duration | undefined
}

/**
 * Valid options: `options`, `config` and the schema make them. TypeScript (5.9) gives the brand to a spread, too. So the layers
 * validate their options again, and die of invalid ones.
 *
 * @since 0.1.0
 * @category models
 */
export type LeaderLockOptions = LockFields & Brand.Brand<"consul-replicate/LeaderLockOptions">

/**
 * The input of {@link options}. {@link defaults} has the values of fields that are not given.
 *
 * @since 0.5.0
 * @category models
 */
export interface LockOptions {
  /** See {@link LockFields}. */
  readonly lock?: string | undefined
  /** See {@link LockFields}. */
  readonly service?: string | undefined
  /** See {@link LockFields}. */
  readonly purpose?: string | undefined
  /** See {@link LockFields}. At least 1 s. A number is ms. */
  readonly ttl?: Duration.DurationInput | undefined
  /** See {@link LockFields}. False unless given. */
  readonly agentless?: boolean | undefined
  /** See {@link LockFields}. From 10 s to 24 h. A number is ms. */
  readonly sessionTtl?: Duration.DurationInput | undefined
}

/**
 * The defaults of options. The names are those of the first consul-replicate.
 *
 * @since 0.5.0
 * @category models
 */
export const defaults = {
  lock: "service/consul-replicate/leader",
  service: "consul-replicate",
  ttl: checkTtl,
  agentless: false
} as const

/**
 * The id of an instance is the service's name, a dash and a number. Requests for its check have the id in their path. Consul
 * (1.8.7) registers any name, but redirects a path that it cleans (`//`, `/./`, `/../`, and one that begins with `/`, `./` or
 * `../`), and refuses characters in a path that are not printable.
 */
const cleanedInPath = /^\/|^\.{1,2}\/|\/\/|\/\.{1,2}\//
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

/** A third of it passes between two heartbeats, and a busy agent needs some 100 ms for one. */
const shortestTtl = Duration.seconds(1)

const serviceProblem = (service: string): string | undefined => {
  if (service === "") return "the service needs a name"
  if (cleanedInPath.test(`${service}-`)) {
    return `${JSON.stringify(service)} has a part that is empty, "." or "..", by which Consul does not find its check`
  }
  return unprintable.test(service)
    ? `${JSON.stringify(service)} has a character that cannot be printed, by which Consul does not find its check`
    : undefined
}

const lockProblem = (lock: string): string | undefined =>
  lock === "" ? "the lock needs a key" : HalfCharacter.problemOf(lock)

const ttlProblem = (ttl: Duration.Duration): string | undefined =>
  Duration.isFinite(ttl) && Duration.greaterThanOrEqualTo(ttl, shortestTtl)
    ? undefined
    : "the time to live is at least 1s"

/** Consul (1.8.7) refuses a time to live outside of these two, with any `session_ttl_min`. */
const [shortestSessionTtl, longestSessionTtl] = [Duration.seconds(10), Duration.hours(24)]

const sessionTtlProblem = (ttl: Duration.Duration): string | undefined =>
  Duration.between(ttl, { minimum: shortestSessionTtl, maximum: longestSessionTtl })
    ? undefined
    : "a session lives from 10s to 24h"

/**
 * Decodes the options of a lock, with {@link defaults} for fields that are not given.
 *
 * @since 0.5.0
 * @category schemas
 */
export const LeaderLockOptions: Schema.Schema<LeaderLockOptions, LockOptions> = Schema.Struct({
  lock: Schema.optionalWith(Schema.String.pipe(Schema.filter(lockProblem)), { default: () => defaults.lock }),
  service: Schema.optionalWith(Schema.String.pipe(Schema.filter(serviceProblem)), {
    default: () => defaults.service
  }),
  purpose: Schema.optional(Schema.String),
  ttl: Schema.optionalWith(DurationFromInput.pipe(Schema.filter(ttlProblem)), {
    default: () => defaults.ttl
  }),
  agentless: Schema.optionalWith(Schema.Boolean, { default: () => defaults.agentless }),
  sessionTtl: Schema.optional(DurationFromInput.pipe(Schema.filter(sessionTtlProblem)))
}).pipe(Schema.brand("consul-replicate/LeaderLockOptions"))

const decoding = Schema.decodeUnknownEither(LeaderLockOptions, { onExcessProperty: "error" })

/**
 * Decodes the options of a configuration file. Fails with the first field that is invalid.
 *
 * @since 0.5.0
 * @category constructors
 */
export const decodeUnknown = (options: unknown): Either.Either<LeaderLockOptions, InvalidOptions> =>
  Either.mapLeft(decoding(options), (error) => fromParseError("LeaderLock", options, error))

/**
 * Validates the options of a lock, with {@link defaults} for fields that are not given.
 *
 * @since 0.5.0
 * @category constructors
 */
export const options = (input: LockOptions = {}): Effect.Effect<LeaderLockOptions, InvalidOptions> =>
  Effect.suspend(() => decodeUnknown(input))

const validating = Schema.validateEither(LeaderLockOptions)

/** Validates options again, which may be a spread. Invalid options are a defect of the program. */
export const validate = (options: LeaderLockOptions): Effect.Effect<void> =>
  Effect.suspend(() =>
    Either.mapLeft(validating(options), (error) => fromParseError("LeaderLock", options, error))
  ).pipe(Effect.orDie, Effect.asVoid)

const optional = Config.withDefault(undefined)

/**
 * The options of a lock, each by the name of its field. `Config.nested` puts all of them under a name.
 *
 * @since 0.5.0
 * @category config
 */
export const config: Config.Config<LeaderLockOptions> = Config.all({
  lock: optional(Config.string("lock")),
  service: optional(Config.string("service")),
  purpose: optional(Config.string("purpose")),
  ttl: optional(Config.duration("ttl")),
  agentless: optional(Config.boolean("agentless")),
  sessionTtl: optional(Config.duration("sessionTtl"))
}).pipe(
  Config.mapOrFail((options) =>
    Either.mapLeft(decodeUnknown(options), ({ field, problem }) => ConfigError.InvalidData([field], problem))
  )
)
