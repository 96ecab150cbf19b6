/**
 * The agent of a source that differs from the destination in more than the datacenter.
 *
 * @since 0.5.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Address from "../../Address.js"
import type { Endpoint, Token } from "../consul/Endpoint.js"

/**
 * The fields in which the source's endpoint differs from the destination's, except for the datacenter. With an `address`, requests
 * to the source go to an agent of its own, with the token, the password, the namespace and the partition that are given here.
 * Without an `address`, the destination's agent forwards them.
 *
 * @since 0.5.0
 * @category models
 */
export interface SourceAgent extends Omit<Endpoint, "address" | "datacenter"> {
  /** The source's own agent. */
  readonly address?: Address.Address | undefined
}

/**
 * A `SourceAgent` whose address is a text that was not parsed yet.
 *
 * @since 0.5.0
 * @category models
 */
export interface SourceAgentOptions extends Omit<SourceAgent, "address"> {
  /** The source's own agent, as `Address.parse` reads it. */
  readonly address?: string | undefined
}

const AddressFromString: Schema.Schema<Address.Address, string> = Schema.transformOrFail(
  Schema.String,
  Schema.declare((_: unknown): _ is Address.Address => typeof _ === "string"),
  {
    strict: true,
    decode: (text, _, ast) =>
      Either.mapLeft(Address.parse(text), ({ problem }) => new ParseResult.Type(ast, text, problem)),
    encode: (address) => ParseResult.succeed<string>(address)
  }
)

const isToken = (u: unknown): u is Token => Redacted.isRedacted(u) || Effect.isEffect(u)

/**
 * Tokens and passwords stay redacted on both sides.
 *
 * @since 0.5.0
 * @category schemas
 */
export const SourceAgent: Schema.Schema<SourceAgent, SourceAgentOptions> = Schema.Struct({
  address: Schema.optional(AddressFromString),
  namespace: Schema.optional(Schema.String),
  partition: Schema.optional(Schema.String),
  token: Schema.optional(Schema.declare(isToken)),
  auth: Schema.optional(Schema.RedactedFromSelf(Schema.String)),
  settings: Schema.optional(
    Schema.Struct({
      address: Schema.optional(Schema.String),
      token: Schema.optional(Schema.String),
      ca: Schema.optional(Schema.String),
      certificate: Schema.optional(Schema.String),
      key: Schema.optional(Schema.String),
      serverName: Schema.optional(Schema.String)
    })
  )
})

/**
 * The name of a source in messages: `nyc1`, `https://consul.example.com`, or both as `nyc1 at https://consul.example.com`. Its
 * namespace and partition follow if it has its own. Different sources have different names.
 *
 * @since 0.5.0
 * @category accessors
 */
export const sourceName = ({
  source,
  sourceAgent
}: {
  readonly source: string
  readonly sourceAgent: SourceAgent
}): string => {
  const { address, namespace, partition } = sourceAgent
  const place = address === undefined ? source : source === "" ? address : `${source} at ${address}`
  return [
    place,
    ...(namespace === undefined ? [] : [`namespace ${namespace}`]),
    ...(partition === undefined ? [] : [`partition ${partition}`])
  ].join(", ")
}
