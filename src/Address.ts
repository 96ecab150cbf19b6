/**
 * The address of an agent: as people write it (`host:port`, `host`, a URL, or `unix:///path`), and as requests are sent to it.
 *
 * @since 0.5.0
 */
import * as Brand from "effect/Brand"
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/**
 * The address of an agent: `http://127.0.0.1:8500`, `https://consul.example.com/dc1` without a slash at its end, or
 * `unix:///run/consul.sock`. {@link parse} makes it.
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
  readonly reason: "Empty" | "Scheme" | "Syntax" | "Credentials" | "Query"
  readonly problem: string
}> {
  override get message() {
    return `the address of the Consul agent cannot be used: ${this.problem}`
  }
}

/**
 * `scheme` is what counts for a text without one: `http` unless given.
 *
 * @since 0.5.0
 * @category models
 */
export interface ParseOptions {
  readonly scheme?: "http" | "https" | undefined
}

const defaultPort = 8500

/** A user with a password, or a query: `?token=` is Consul's. */
const mayHoldSecret = (text: string): boolean => /[@?#]/.test(text)

/** The port that `URL` leaves out, being the scheme's own. */
const ownPorts = { http: /:0*80(?:\/|\s*$)/, https: /:0*443(?:\/|\s*$)/ } as const

const address = Brand.nominal<Address>()

const schemeOf = (text: string): string => /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? ""

/** A socket has one of these paths on every system that Consul serves sockets on. */
const socketPath = /^unix:\/\/(\/[^\x00]*[^/\x00])$/i

/**
 * `http://` and Consul's port 8500 unless given; a URL without a port has that of its scheme. A path is that of a proxy in
 * front of the agent, which takes it away. The text itself is not repeated where it may hold a password or a token.
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
export const parse = (text: string, options: ParseOptions = {}): Either.Either<Address, InvalidAddress> => {
  const invalid = (reason: InvalidAddress["reason"], problem: string) =>
    Either.left(new InvalidAddress({ reason, problem }))
  if (text.trim() === "") return invalid("Empty", "the agent needs an address, such as 127.0.0.1:8500")
  const scheme = schemeOf(text)
  if (scheme === "unix") {
    const path = socketPath.exec(text.trim())?.[1]
    return path === undefined
      ? invalid("Syntax", "not the address of a socket; write unix:///path/of/the/socket")
      : Either.right(address(`unix://${path}`))
  }
  if (!["", "http", "https"].includes(scheme)) {
    return invalid("Scheme", `${scheme}:// is not supported; use http://, https:// or unix://`)
  }
  const { scheme: unwritten = "http" } = options
  const written = scheme === "" ? `${unwritten}://${text}` : text
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
  if (url.search !== "" || url.hash !== "" || /[?#]/.test(text)) {
    return invalid("Query", "an address has no query; write host:port")
  }
  const port = scheme === "" && url.port === "" && !ownPorts[unwritten].test(text) ? `:${defaultPort}` : ""
  return Either.right(address(`${url.origin}${port}${url.pathname.replace(/\/+$/, "")}`))
}

/**
 * Whether the text names a scheme, be it one that cannot be used.
 *
 * @since 0.5.0
 * @category predicates
 */
export const hasScheme = (text: string): boolean => schemeOf(text) !== ""

/**
 * Whether requests go over TLS.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isSecure = (address: Address): boolean => address.startsWith("https://")

/**
 * The path of the socket, if it is the address of one.
 *
 * @since 0.5.0
 * @category accessors
 */
export const socket = (address: Address): string | undefined => socketPath.exec(address)?.[1]

/**
 * The front of the URL of each request. For a socket it is `http+unix://` with the path percent-encoded in the place of
 * the host: an `HttpClient` that serves sockets connects to that path. The client of the command does, and `fetch` does not.
 *
 * @since 0.5.0
 * @category accessors
 */
export const baseUrl = (address: Address): string => {
  const path = socket(address)
  return path === undefined ? address : `http+unix://${encodeURIComponent(path)}`
}
