/**
 * The error of a refused request.
 */
import * as Data from "effect/Data"
import type { ByteString } from "../go/ByteString.js"

export class Refusal extends Data.TaggedError("Refusal")<{
  /** The HTTP status. */
  readonly status: number
  /** The body: one line of text. */
  readonly message: ByteString
  /** Headers of the answer besides `Vary`. */
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>
}> {}

/** The client's fault: status 400. */
export const bad = (message: ByteString): Refusal => new Refusal({ status: 400, message })

/** An error of the servers: status 500. */
export const failed = (message: ByteString): Refusal => new Refusal({ status: 500, message })
