/**
 * How many requests an agent takes in a second, as `limits.request_limits` of newer Consul sets it. Not measured.
 */
import * as Duration from "effect/Duration"
import type { Timers } from "../cluster/Timers.js"
import * as Http from "./Http.js"

/**
 * A limit on an agent's requests of keys, transactions, sessions and the catalog. Requests past it are refused with 429 and
 * `rate limit exceeded, …`, or with 503 for what only the leader can do.
 *
 * @since 0.5.0
 * @category models
 */
export interface RequestLimit {
  /** Requests that are served in each second of the agent's clock. */
  readonly perSecond: number
  /** Default 429. */
  readonly status?: 429 | 503 | undefined
  /** What the header `Retry-After` says, rounded up to seconds; there is none without it. */
  readonly retryAfter?: Duration.DurationInput | undefined
}

export interface RateLimit {
  readonly set: (limit: RequestLimit | undefined) => void
  /** Counts a request, and answers it if it is one too many. */
  readonly refusal: (target: string) => Http.Response | undefined
}

const texts = {
  429: "rate limit exceeded, try again later or against a different server",
  503: "rate limit exceeded for operation that can only be performed by the leader, try again later"
}

export const make = (timers: Timers): RateLimit => {
  let limit: RequestLimit | undefined
  let second = Number.NEGATIVE_INFINITY
  let served = 0
  return {
    set: (changed) => {
      limit = changed
    },
    refusal: (target) => {
      // An agent answers by itself what is about itself.
      if (limit === undefined || target.startsWith("/v1/agent/")) return undefined
      const now = Math.floor(timers.now() / 1_000)
      if (now !== second) {
        second = now
        served = 0
      }
      served += 1
      return served > limit.perSecond ? refused(limit) : undefined
    }
  }
}

const refused = ({ retryAfter, status = 429 }: RequestLimit): Http.Response =>
  Http.text(status, texts[status], [
    Http.vary,
    ...(retryAfter === undefined
      ? []
      : [["Retry-After", String(Math.ceil(Duration.toSeconds(retryAfter)))] as const])
  ])
