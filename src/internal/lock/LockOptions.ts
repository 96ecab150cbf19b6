/**
 * What an instance needs to stand for leadership, and every reason to refuse it.
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
import * as Schedules from "../Schedules.js"

/**
 * @since 0.5.0
 * @category models
 */
export interface LockFields {
  /** Key of the lock that the leader holds. */
  readonly lock: string
  /**
   * Name under which all instances stand in Consul's catalog, each with an id of its own. If they are `agentless`, the names of
   * their sessions begin with it.
   */
  readonly service: string
  /**
   * What the holder does, for people. An instance that stands by for another purpose warns of it, because all who share a
   * lock should do the same. It is the purpose of the use that leads unless given.
   */
  readonly purpose?: string | undefined
  /** How long the check of the service lives without a heartbeat: 3 s unless given. */
  readonly ttl: Duration.Duration
  /**
   * Whether several servers answer at the address of the client, and no agent of this host. Then no service is registered, and
   * the session ends by its own time to live: a leader that is killed is followed within twice that time.
   */
  readonly agentless: boolean
  /**
   * How long the session lives without a renewal, or longer if the servers demand it (`session_ttl_min`): 15 s unless given if
   * `agentless`. Beside an agent, 30 s: there the check ends the session sooner.
   */
  readonly sessionTtl?: Duration.Duration | undefined
}

/**
 * What was checked: `options`, `config` and the schema make it. TypeScript (5.9) gives the brand to a spread too. So the
 * layers check their options again, and die of options that cannot be used.
 *
 * @since 0.1.0
 * @category models
 */
export type LeaderLockOptions = LockFields & Brand.Brand<"consul-replicate/LeaderLockOptions">

/**
 * What `options` is given. `defaults` has what is not given.
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
 * Names are those of the first consul-replicate.
 *
 * @since 0.5.0
 * @category models
 */
export const defaults = {
  lock: "service/consul-replicate/leader",
  service: "consul-replicate",
  ttl: Schedules.checkTtl,
  agentless: false
} as const

/**
 * An instance of the service is called by its name, a dash and a number, and its check is updated and removed by a path
 * with that in it. Consul (1.8.7) registers any name, and then redirects a path that it cleans (`//`, `/./`, `/../`, and
 * one that begins with `/`, `./` or `../`) and refuses characters that are not printable.
 */
const cleanedInPath = /^\/|^\.{1,2}\/|\/\/|\/\.{1,2}\//
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

/** Heartbeats go three times as often, and a busy agent needs some 100 ms for one. */
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

/** Consul (1.8.7) takes no other, whatever its `session_ttl_min`. */
const [shortestSessionTtl, longestSessionTtl] = [Duration.seconds(10), Duration.hours(24)]

const sessionTtlProblem = (ttl: Duration.Duration): string | undefined =>
  Duration.between(ttl, { minimum: shortestSessionTtl, maximum: longestSessionTtl })
    ? undefined
    : "a session lives from 10s to 24h"

/**
 * Decodes options for a lock, with `defaults` for what is not given.
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
 * Decodes what a configuration file has. Fails with the first field that cannot be used.
 *
 * @since 0.5.0
 * @category constructors
 */
export const decodeUnknown = (options: unknown): Either.Either<LeaderLockOptions, InvalidOptions> =>
  Either.mapLeft(decoding(options), (error) => fromParseError("LeaderLock", options, error))

/**
 * Checks options for a lock, with {@link defaults} for what is not given.
 *
 * @since 0.5.0
 * @category constructors
 */
export const options = (given: LockOptions = {}): Effect.Effect<LeaderLockOptions, InvalidOptions> =>
  Effect.suspend(() => decodeUnknown(given))

const validating = Schema.validateEither(LeaderLockOptions)

/** Checks again what may be a spread. Options that cannot be used are a defect of the program. */
export const validate = (options: LeaderLockOptions): Effect.Effect<void> =>
  Effect.suspend(() =>
    Either.mapLeft(validating(options), (error) => fromParseError("LeaderLock", options, error))
  ).pipe(Effect.orDie, Effect.asVoid)

const given = Config.withDefault(undefined)

/**
 * Options by the names of their fields. `Config.nested` puts them under a name.
 *
 * @since 0.5.0
 * @category config
 */
export const config: Config.Config<LeaderLockOptions> = Config.all({
  lock: given(Config.string("lock")),
  service: given(Config.string("service")),
  purpose: given(Config.string("purpose")),
  ttl: given(Config.duration("ttl")),
  agentless: given(Config.boolean("agentless")),
  sessionTtl: given(Config.duration("sessionTtl"))
}).pipe(
  Config.mapOrFail((options) =>
    Either.mapLeft(decodeUnknown(options), ({ field, problem }) => ConfigError.InvalidData([field], problem))
  )
)
