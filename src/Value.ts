/**
 * The value of a key: any bytes, as the base64 text that Consul's JSON has for them.
 *
 * @since 0.5.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Base64 from "./internal/consul/Base64.js"

/**
 * Base64 as Consul writes it: standard, padded, with no bits left over, so that the same bytes have the same text. At run time
 * it is a string. A string that was not checked does not compile in its place.
 *
 * @since 0.5.0
 * @category models
 */
export type Value = string & Brand.Brand<"consul-replicate/Value">

/**
 * Whether a text is base64 as Consul writes it.
 *
 * @since 0.5.0
 * @category guards
 */
export const isValue = (text: string): text is Value => Base64.isCanonical(text)

const encoded = (input: string | Uint8Array): Value => Encoding.encodeBase64(input) as Value

/**
 * The value of no bytes.
 *
 * @since 0.5.0
 * @category constructors
 */
export const empty: Value = encoded("")

/**
 * The UTF-8 bytes of a text. Half of a surrogate pair becomes U+FFFD.
 *
 * @since 0.5.0
 * @category constructors
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Value } from "consul-replicate"
 *
 * assert.strictEqual(Value.fromText("on"), "b24=")
 * ```
 */
export const fromText = (text: string): Value => encoded(text)

/**
 * The value of some bytes.
 *
 * @since 0.5.0
 * @category constructors
 */
export const fromBytes = (bytes: Uint8Array): Value => encoded(bytes)

/**
 * The value of a base64 text. Left, with the reason, if the text is not base64 as Consul writes it.
 *
 * @since 0.5.0
 * @category constructors
 */
export const fromBase64 = (base64: string): Either.Either<Value, string> =>
  isValue(base64) ? Either.right(base64) : Either.left("not base64 as Consul writes it")

/**
 * The bytes of a value.
 *
 * @since 0.5.0
 * @category conversions
 */
export const toBytes = (value: Value): Uint8Array => Either.getOrThrow(Encoding.decodeBase64(value))

/**
 * The text of a value; none if its bytes are not valid UTF-8. A byte order mark stays.
 *
 * @since 0.5.0
 * @category conversions
 */
export const toText = (value: Value): Option.Option<string> => utf8(toBytes(value))

const utf8 = Option.liftThrowable((bytes: Uint8Array) =>
  new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
)
