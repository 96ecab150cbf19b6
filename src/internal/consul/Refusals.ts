/**
 * Consul's refusals, and the meaning of each text. No other module examines these texts.
 *
 * Texts are matched whole, or by a beginning that no key's name can be part of: many of them quote a key, and a key may be
 * called `x Permission denied` or `global/operations/runbook`. A server that forwarded the request, and each one behind
 * it, puts `rpc error making call: ` before its text.
 *
 * | status | text | meaning |
 * | --- | --- | --- |
 * | 400 | nothing | the path has a character that is not printable for this Consul's Go (1.8.7) |
 * | 400, 500 | `invalid key name, …` | the name has a character that 1.21.5 and later accept in no path (not measured) |
 * | 301, 307, 308 | a location under `/v1/kv/` | the path was cleaned: it names another key (1.8.7: 301) |
 * | 403 | any | the token may not do this |
 * | 403 | `ACL not found` | there is no such token |
 * | 413 | `Transaction contains too many operations (65 > 64)` | too many operations |
 * | 413 | `Value for key "…" is too large (30000 > 20000 bytes)` | a value past `kv_max_value_size`, in a transaction |
 * | 413 | `Request body(30000 bytes) too large, … #kv_max_value_size.` | the same for a PUT |
 * | 413 | `Request body(120265 bytes) too large, … #txn_max_req_len.` | the body of a transaction |
 * | 429 | `Your IP is issuing too many concurrent connections, …` | the address has all its connections (later than 1.8.7) |
 * | 429 | any other | requests come too fast |
 * | 503 | `rate limit exceeded, …` | the same (1.14 and later, not measured) |
 * | 500 | `No cluster leader` | an election, or a lost quorum |
 * | 500 | `No path to datacenter` | the agent's servers do not know the datacenter, or none of its servers |
 * | 500 | `Permission denied`, later with `: token with AccessorID …` | the token may not do this |
 * | 409 | `key "…" doesn't exist` of a `get` | there is no such key |
 * | 409 | `Permission denied` of an operation | the token may not do that operation |
 *
 * `failed to check session, key "…" doesn't exist` ends as the text of a `get` does, and begins otherwise.
 */
import type { Headers } from "@effect/platform/Headers"
import * as Duration from "effect/Duration"

/** An answer with an unexpected status. */
export interface Refusal {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** The text without the prefixes of the servers that have forwarded it. */
const original = (text: string): string => text.trim().replace(/^(?:rpc error making call: )+/, "")

export const isNoLeader = ({ text }: Refusal): boolean => original(text) === "No cluster leader"

export const isNoPath = ({ text }: Refusal): boolean => original(text) === "No path to datacenter"

/** Whether the text of an answer, or of one operation of a transaction, means that the token lacks a right. */
export const isDenial = (text: string): boolean => /^Permission denied(?:$|:)/.test(original(text))

/** Whether the text means that the servers do not have the token. */
export const isUnknownToken = (text: string): boolean => /^ACL not found(?:$|:)/.test(original(text))

/** Whether the failure of a `get` in a transaction means that the key does not exist. */
export const isAbsence = (reason: string): boolean =>
  reason.startsWith('key "') && reason.endsWith("\" doesn't exist")

export const isInvalidSession = (reason: string): boolean => original(reason).startsWith("invalid session ")

export const isRateLimit = ({ status, text }: Refusal): boolean =>
  status === 429 || (status === 503 && /^rate limit exceeded\b/i.test(original(text)))

/**
 * Whether the agent refused a connection beyond its limit for one address. Consul 1.8.7 closes such a connection without an
 * answer. Later versions were not measured.
 */
export const isConnectionLimit = ({ status, text }: Refusal): boolean =>
  status === 429 && /^Your IP is issuing too many concurrent connections\b/i.test(original(text))

/** `Retry-After`, in seconds or as the date `now` (ms) is compared with. */
export const retryAfter = ({ headers }: Refusal, now: number): Duration.Duration | undefined => {
  const value = headers["retry-after"]?.trim() ?? ""
  if (/^\d{1,9}$/.test(value)) return Duration.seconds(Number(value))
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - now))
}

/** The limit that a request exceeds: operations of a transaction, bytes of its body, or bytes of one value. */
export type TooMuch = "operations" | "bytes" | "value"

const endsIn = (text: string, setting: string): boolean =>
  text.startsWith("Request body") && text.trimEnd().endsWith(`#${setting}.`)

/** The limit that a 413 is about. The 413 of another program is about bytes. */
export const tooMuch = ({ text }: Refusal): TooMuch => {
  const refusal = original(text)
  if (/^Transaction contains too many operations \(\d+ > \d+\)$/.test(refusal)) return "operations"
  return refusal.startsWith('Value for key "') || endsIn(refusal, "kv_max_value_size") ? "value" : "bytes"
}

/** How a path was refused for the name in it: nothing was read or changed. */
export type NameRefusal = "unprintable" | "invalid" | "redirected"

/** Whether a redirect is to a cleaned path. A redirect to the same path, of another scheme or host, is not about the name. */
const isCleaned = ({ headers }: Refusal, path: string): boolean => {
  const location = headers["location"] ?? ""
  const [target = ""] = location.replace(/^[a-z]+:\/\/[^/]*/i, "").split("?")
  return target.startsWith("/v1/") && target !== path
}

/** How the answer to a request by `path` refuses the name; none if it does not. */
export const nameRefusal = (refusal: Refusal, path: string): NameRefusal | undefined => {
  const { status, text } = refusal
  if (status === 400 && text === "") return "unprintable"
  if ((status === 400 || status === 500) && /^invalid key name\b/i.test(original(text))) return "invalid"
  return [301, 307, 308].includes(status) && isCleaned(refusal, path) ? "redirected" : undefined
}
