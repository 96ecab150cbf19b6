/**
 * The address of the agent, as `-addr` or the environment give it.
 */
import * as Either from "effect/Either"
import * as Address from "../../Address.js"

/** Whether a message may show an address: false if it may hold a password or, in a query, a token. */
export const mayRepeat = (text: string): boolean => !/[@?#]/.test(text)

const problems: Readonly<Record<Address.InvalidAddress["reason"], string>> = {
  Empty: "the agent needs an address, such as 127.0.0.1:8500",
  Scheme:
    "only http://, https:// and unix:// are supported; write host:port, https://host:port or unix:///path",
  Syntax: "not an address; write host:port, with IPv6 as in [::1]:8500",
  Credentials:
    "an address holds no user and no password; give these by CONSUL_HTTP_AUTH, and Consul's token by CONSUL_HTTP_TOKEN",
  Query: "an address has no query; write host:port"
}

/** An address. Left: the problem, without the text. */
export const parse = (text: string, scheme?: "http" | "https"): Either.Either<Address.Address, string> =>
  Either.mapLeft(Address.parse(text, { scheme }), ({ reason }) => problems[reason])
