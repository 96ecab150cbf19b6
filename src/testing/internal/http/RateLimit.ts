/**
 * The limit on an agent's requests in each second, as `limits.request_limits` of newer Consul sets it. Not measured.
 */
import * as Duration from "effect/Duration"
import type { Timers } from "../cluster/Timers.js"
import * as Http from "./Http.js"

/**
 * A limit on an agent's requests of keys, transactions, sessions and the catalog. The agent refuses further requests with
 * `rate limit exceeded, …` and status 429. Consul uses 503 for operations that only the leader can perform.
 *
 * @since 0.5.0
 * @category models
 */
export interface RequestLimit {
  /** Requests that are served in each second of the agent's clock. */
  readonly perSecond: number
  /** The status of a refused request. Default 429. */
  readonly status?: 429 | 503 | undefined
  /** The header `Retry-After`, rounded up to seconds. Default: no such header. */
  readonly retryAfter?: Duration.DurationInput | undefined
}

export interface RateLimit {
  /** Sets the limit, or removes it. */
  readonly set: (limit: RequestLimit | undefined) => void
  /** Counts a request. Returns the answer that refuses the request if the limit is exceeded. */
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
    set: (next) => {
      limit = next
    },
    refusal: (target) => {
      // Consul does not limit requests about the agent itself.
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
