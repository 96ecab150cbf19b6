/**
 * Requests and answers of the simulated agents, and the rules that all of Consul's endpoints share.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as GoDuration from "../../../internal/consul/GoDuration.js"
import type * as Datacenter from "../cluster/Datacenter.js"
import { type ByteString, fromBytes, quote, toBytes } from "../go/ByteString.js"
import * as GoJson from "../go/GoJson.js"
import * as GoStruct from "../go/GoStruct.js"
import * as Refusal from "./Refusal.js"
import * as RequestTarget from "./RequestTarget.js"

/**
 * A request as it came over the wire.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly method: string
  /** Path and query, not decoded: `/v1/kv/a%2Fb?raw`. */
  readonly target: string
  readonly body: Uint8Array
}

/**
 * An answer. Header names have the capitals that Consul sends.
 *
 * @since 0.1.0
 * @category models
 */
export interface Response {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Uint8Array
}

/** A request whose target has been parsed. */
export interface Call {
  readonly method: string
  readonly path: ByteString
  readonly query: RequestTarget.Query
  readonly body: Uint8Array
  /** Whether the JSON of the answer has line breaks and indentation. */
  readonly isIndented: boolean
}

export type Headers = Response["headers"]

const noBytes = new Uint8Array(0)

export const vary = ["Vary", "Accept-Encoding"] as const

export const empty = (status: number, headers: Headers = []): Response => ({ status, headers, body: noBytes })

/** A text answer. Go adds the content type, except to an empty text. */
export const text = (status: number, message: ByteString, headers: Headers = []): Response => {
  const type = message === "" ? [] : [["Content-Type", "text/plain; charset=utf-8"] as const]
  return { status, headers: [...headers, ...type], body: toBytes(message) }
}

/** A JSON answer, indented if `isIndented` is set. */
export const json = (call: Call, value: GoJson.Json, headers: Headers = [], status = 200): Response => ({
  status,
  headers: [["Content-Type", "application/json"], vary, ...headers],
  body: toBytes(call.isIndented ? GoJson.encodePretty(value) : GoJson.encode(value))
})

/** Reads the request's body as one Go value. */
export const decode = <A>(call: Call, type: GoStruct.Type<A>): Either.Either<A, ByteString> =>
  GoStruct.decode(type, fromBytes(call.body))

// -----------------------------------------------------------------------------
// Reading options
// -----------------------------------------------------------------------------

export type Consistency = "leader" | "stale" | "consistent"

/** The options of a read. */
export interface ReadOptions {
  readonly wait: Datacenter.Wait
  readonly consistency: Consistency
}

export const readOptions = (query: RequestTarget.Query): Either.Either<ReadOptions, Refusal.Refusal> =>
  Either.gen(function* () {
    const stale = RequestTarget.has(query, "stale")
    const consistent = RequestTarget.has(query, "consistent")
    if (stale && consistent) {
      return yield* Either.left(Refusal.bad("Cannot specify ?stale with ?consistent, conflicting semantics."))
    }
    const wait = RequestTarget.get(query, "wait")
    const nanoseconds = wait === "" ? Either.right(0n) : GoDuration.parse(wait)
    const longest = yield* Either.mapLeft(nanoseconds, () => Refusal.bad("Invalid wait time"))
    const given = RequestTarget.get(query, "index")
    const index = yield* Either.mapLeft(uint64(given === "" ? "0" : given), () =>
      Refusal.bad("Invalid index")
    )
    return {
      wait: { index, milliseconds: Number(longest) / 1e6 },
      consistency: stale ? "stale" : consistent ? "consistent" : "leader"
    }
  })

/** Go's `strconv.ParseUint`: digits only, below 2^64. */
export const uint64 = (digits: ByteString): Either.Either<bigint, ByteString> => {
  const problem = (what: string) => Either.left(`strconv.ParseUint: parsing ${quote(digits)}: ${what}`)
  if (!/^\d+$/.test(digits)) return problem("invalid syntax")
  const value = BigInt(digits)
  return value < 2n ** 64n ? Either.right(value) : problem("value out of range")
}

/** The headers of a read. Consul sends 1 in place of index 0, because a client would spin on 0. */
export const meta = (index: number, knownLeader: boolean): Headers => [
  ["X-Consul-Index", String(Math.max(index, 1))],
  ...contact(knownLeader)
]

/** The headers of a read that cannot block. */
export const contact = (knownLeader: boolean): Headers => [
  ["X-Consul-Knownleader", String(knownLeader)],
  ["X-Consul-Lastcontact", "0"]
]

/** The answer that Consul sends for a refusal. */
export const refused = (refusal: Refusal.Refusal): Response =>
  text(refusal.status, refusal.message, [vary, ...(refusal.headers ?? [])])

/**
 * Adds the headers of a read to a failure. Some endpoints do, except for a request that they could not read (status below 500).
 */
export const withMetaOnFailure: <A>(
  self: Effect.Effect<A, Refusal.Refusal>
) => Effect.Effect<A, Refusal.Refusal> = Effect.mapError((refusal) =>
  refusal.status < 500
    ? refusal
    : new Refusal.Refusal({ status: refusal.status, message: refusal.message, headers: meta(0, false) })
)
