/**
 * What an instance needs to stand for leadership, and every reason to refuse it.
 */
import type * as Brand from "effect/Brand"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HalfCharacter from "../consul/HalfCharacter.js"
import * as Schedules from "../Schedules.js"

/**
 * @since 0.5.0
 * @category models
 */
export interface LockFields {
  /** Key of the lock that the leader holds. */
  readonly lock: string
  /** Name under which all instances stand in Consul's catalog, each with an id of its own. */
  readonly service: string
  /** What the holder does, for people; see `options`. */
  readonly purpose: string | undefined
  /** How long the check of the service lives without a heartbeat: 3 s unless given. */
  readonly ttl: Duration.Duration
}

/**
 * Made by `options` only.
 *
 * @since 0.1.0
 * @category models
 */
export type LeaderLockOptions = LockFields & Brand.Brand<"consul-replicate/LeaderLockOptions">

/** Options of {@link options} that the command line has not. */
const withoutFlag: ReadonlySet<string> = new Set(["ttl"])

/**
 * Wrong use, found before anything was touched. `option` is the name of the option of the command line, or that of
 * `options` if the command line has none.
 *
 * @since 0.5.0
 * @category errors
 */
export class InvalidLock extends Data.TaggedError("InvalidLock")<{
  readonly option: string
  readonly problem: string
}> {
  override get message() {
    return `${withoutFlag.has(this.option) ? "" : "-"}${this.option}: ${this.problem}`
  }
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
  ttl: Schedules.checkTtl
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

/**
 * Checks options for a lock, with {@link defaults} for what is not given. `purpose` is what the holder does, for people:
 * who stands by for another purpose warns of it, because all who share a lock should do the same. It is the purpose of
 * the use that leads unless given.
 *
 * @since 0.5.0
 * @category constructors
 */
export const options = (
  given: {
    readonly lock?: string | undefined
    readonly service?: string | undefined
    readonly purpose?: string | undefined
    readonly ttl?: Duration.DurationInput | undefined
  } = {}
): Effect.Effect<LeaderLockOptions, InvalidLock> =>
  Effect.suspend(() => {
    const { lock = defaults.lock, purpose, service = defaults.service } = given
    const ttl = Duration.decode(given.ttl ?? defaults.ttl)
    const problems = [
      ["lock", lock === "" ? "the lock needs a key" : HalfCharacter.problemOf(lock)],
      ["service", serviceProblem(service)],
      [
        "ttl",
        !Duration.isFinite(ttl) || Duration.lessThan(ttl, shortestTtl)
          ? "the time to live is at least 1s"
          : undefined
      ]
    ] as const
    for (const [option, problem] of problems) {
      if (problem !== undefined) return new InvalidLock({ option, problem })
    }
    const fields: LockFields = { lock, service, purpose, ttl }
    return Effect.succeed(fields as LeaderLockOptions)
  })
