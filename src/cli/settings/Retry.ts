/**
 * The time after which the program gives up: `-timeout`, or the time that the attempts of 0.4.0 would last. 0.4.0 makes a number of
 * attempts, with pauses that double. This program makes attempts at times of its own.
 */
import * as Duration from "effect/Duration"
import type { retry } from "./options/Compatible.js"
import type { Resolved, Values } from "./Setting.js"

export interface Patience {
  /** Zero for no limit. */
  readonly timeout: Duration.Duration
  /** The option that sets it, with its dash. */
  readonly option: string
}

/** The defaults of 0.4.0. */
const defaults = { backoff: Duration.millis(250), maxBackoff: Duration.minutes(1) } as const

/** The sum of the pauses. Without a longest pause it can be infinite. */
const total = (
  attempts: number,
  backoff: Duration.Duration,
  maxBackoff: Duration.Duration
): Duration.Duration => {
  const first = Duration.toMillis(backoff)
  const longest = Duration.isZero(maxBackoff) ? Number.POSITIVE_INFINITY : Duration.toMillis(maxBackoff)
  let sum = 0
  for (let i = 0; i < attempts && Number.isFinite(sum); i++) sum += Math.min(first * 2 ** i, longest)
  return Duration.millis(Math.max(1, sum))
}

const isGiven = ({ origin }: Resolved<unknown>): boolean => origin._tag !== "Default"

/** Undefined if neither way sets a limit. `-timeout` counts before the options of 0.4.0. */
export const patience = (
  timeout: Resolved<Duration.Duration | undefined> | undefined,
  { retryAttempts, retryBackoff, retryBoth, retryEnabled, retryMaxBackoff }: Values<typeof retry>
): Patience | undefined => {
  if (timeout?.value !== undefined) return { timeout: timeout.value, option: "-timeout" }
  if (isGiven(retryEnabled) && !retryEnabled.value) {
    return { timeout: Duration.millis(1), option: "-consul-retry=false" }
  }
  if (retryAttempts === undefined || retryAttempts.value === 0) return undefined
  const backoff = (retryBackoff ?? retryBoth)?.value ?? defaults.backoff
  const maxBackoff = (retryMaxBackoff ?? retryBoth)?.value ?? defaults.maxBackoff
  return {
    timeout: total(retryAttempts.value, backoff, maxBackoff),
    option: `-consul-retry-attempts=${retryAttempts.value}`
  }
}
