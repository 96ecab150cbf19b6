/**
 * The address of an agent: as people write it (`host:port`, `host`, or a URL), and as requests are sent to it.
 *
 * @since 0.5.0
 */
import * as Brand from "effect/Brand"
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/**
 * The base URL of an agent, without a slash at its end: `http://127.0.0.1:8500`. {@link parse} makes it.
 *
 * @since 0.5.0
 * @category models
 */
export type Address = string & Brand.Brand<"consul-replicate/Address">

/**
 * Nothing can be sent to such an address, however often it is tried. `problem` says what to write instead.
 *
 * @since 0.5.0
 * @category errors
 */
export class InvalidAddress extends Data.TaggedError("InvalidAddress")<{
  readonly reason: "Empty" | "Scheme" | "Syntax" | "Credentials" | "Path"
  readonly problem: string
}> {
  override get message() {
    return `the address of the Consul agent cannot be used: ${this.problem}`
  }
}

const defaultPort = 8500

/** A user with a password, or a query: `?token=` is Consul's. */
const mayHoldSecret = (text: string): boolean => /[@?#]/.test(text)

/** The port that `URL` leaves out, being HTTP's own. */
const httpPort = /:0*80\/?\s*$/

const address = Brand.nominal<Address>()

/**
 * `http://` and Consul's port 8500 unless given; a URL without a port has that of its scheme. The text itself is not
 * repeated where it may hold a password or a token.
 *
 * @since 0.5.0
 * @category constructors
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { Address } from "consul-replicate"
 * import { Either } from "effect"
 *
 * assert.deepStrictEqual(Address.parse("127.0.0.1"), Either.right("http://127.0.0.1:8500"))
 * ```
 */
export const parse = (text: string): Either.Either<Address, InvalidAddress> => {
  const invalid = (reason: InvalidAddress["reason"], problem: string) =>
    Either.left(new InvalidAddress({ reason, problem }))
  if (text.trim() === "") return invalid("Empty", "the agent needs an address, such as 127.0.0.1:8500")
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? ""
  if (!["", "http", "https"].includes(scheme)) {
    return invalid("Scheme", `${scheme}:// is not supported; use http:// or https://`)
  }
  const written = scheme === "" ? `http://${text}` : text
  if (!URL.canParse(written)) {
    return invalid(
      "Syntax",
      mayHoldSecret(text)
        ? "not an address; write host:port"
        : `${JSON.stringify(text)} is not an address; write host:port, with IPv6 as in [::1]:8500`
    )
  }
  const url = new URL(written)
  if (url.username !== "" || url.password !== "") {
    return invalid("Credentials", "an address holds no user and password; Consul takes a token")
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return invalid(
      "Path",
      mayHoldSecret(text)
        ? "an address has no path and no query; write host:port"
        : `${JSON.stringify(text)} has a path; write host:port`
    )
  }
  const port = scheme === "" && url.port === "" && !httpPort.test(text) ? `:${defaultPort}` : ""
  return Either.right(address(`${url.origin}${port}`))
}
