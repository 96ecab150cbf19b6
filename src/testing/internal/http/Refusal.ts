/**
 * A request that isn't served: a status and, as Consul answers errors, a line of text.
 */
import * as Data from "effect/Data"
import type { ByteString } from "../go/ByteString.js"

export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly message: ByteString
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>
}> {}

/** A fault of the request. */
export const bad = (message: ByteString): Refusal => new Refusal({ status: 400, message })

/** A fault that only the servers found. */
export const failed = (message: ByteString): Refusal => new Refusal({ status: 500, message })
