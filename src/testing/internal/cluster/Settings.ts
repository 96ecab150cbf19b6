/**
 * The settings of a datacenter: its configuration, and rules that depend on the version of Consul.
 */
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { type ByteString, quote } from "../go/ByteString.js"
import * as Refusal from "../http/Refusal.js"
import * as RequestTarget from "../http/RequestTarget.js"

/**
 * The names of keys that a path may carry. A transaction may carry every name.
 *
 * - `printable`: names of printable code points of Unicode 12.0, as in Consul 1.8.7. Consul answers other paths with 400 and an
 *   empty body.
 * - `restricted`: names that also match `^[a-zA-Z0-9,_./\-?&=]+$`, as in Consul 1.21.5 and later (issues 22822 and 22835 of
 *   Consul). Consul answers other paths with 500 and `invalid key name, …`. Not measured.
 * - An object: names that also match `matching`. Other paths are answered with `status`.
 *
 * @since 0.5.0
 * @category models
 */
export type KeyNames = "printable" | "restricted" | { readonly matching: RegExp; readonly status: 400 | 500 }

/**
 * The settings of a datacenter, for all its agents and servers.
 *
 * @since 0.5.0
 * @category models
 */
export interface Settings {
  /** Whether answers are indented also without `?pretty`, as those of `consul agent -dev` are. Default `false`. */
  readonly indentedJson: boolean
  /** The names of keys that a path may carry. Default `printable`. */
  readonly keyNames: KeyNames
  /**
   * Whether the key in a path is decoded twice, so that `%252F` means `/`, as Consul 1.12.0 does (its issue 13236).
   * Not measured. Default `false`.
   */
  readonly decodesPathsTwice: boolean
  /** The least time to live of a session (`session_ttl_min`). Default 10 s. */
  readonly sessionTtlMin: Duration.DurationInput
  /** The most bytes of a value (`limits.kv_max_value_size`). Default 524,288. */
  readonly kvMaxValueSize: number
  /** The most bytes of a transaction's body (`limits.txn_max_req_len`). Default 524,288. */
  readonly txnMaxReqLen: number
}

export const defaults: Settings = {
  indentedJson: false,
  keyNames: "printable",
  decodesPathsTwice: false,
  sessionTtlMin: "10 seconds",
  kvMaxValueSize: 524_288,
  txnMaxReqLen: 524_288
}

const restricted = { matching: /^[a-zA-Z0-9,_./\-?&=]+$/, status: 500 } as const

/** The key of a path, or Consul's refusal if the path must not carry the name. */
export const keyOf = (
  { decodesPathsTwice, keyNames }: Settings,
  path: ByteString
): Either.Either<ByteString, Refusal.Refusal> =>
  Either.filterOrLeft(
    decodesPathsTwice ? decodedAgain(path) : Either.right(path),
    (key) => key === "" || isAllowed(keyNames, key),
    () => invalid(keyNames)
  )

const rule = (names: KeyNames) => (names === "restricted" ? restricted : names)

const isAllowed = (names: KeyNames, key: ByteString): boolean => {
  const allowed = rule(names)
  return allowed === "printable" || allowed.matching.test(key)
}

const invalid = (names: KeyNames): Refusal.Refusal => {
  const allowed = rule(names)
  return allowed === "printable"
    ? Refusal.bad("")
    : new Refusal.Refusal({
        status: allowed.status,
        message: `invalid key name, must match ${allowed.matching.source}`
      })
}

/** The part of a malformed escape that Go quotes. */
const brokenEscape = /%(?![0-9a-fA-F]{2}).{0,2}/s

const decodedAgain = (path: ByteString): Either.Either<ByteString, Refusal.Refusal> =>
  Either.fromOption(RequestTarget.decodePath(path), () =>
    Refusal.failed(
      `failure in unescaping path param ${quote(path)}: invalid URL escape ${quote(brokenEscape.exec(path)?.[0] ?? "")}`
    )
  )
