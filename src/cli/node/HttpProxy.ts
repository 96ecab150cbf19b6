/**
 * The HTTP proxy that the environment names for an address, as programs written in Go choose it: `HTTP_PROXY`, `HTTPS_PROXY`
 * and `NO_PROXY`, each also in lower case. A loopback address or a socket never has a proxy.
 */
import * as Net from "node:net"
import * as Either from "effect/Either"
import * as Address from "../../Address.js"

/** Texts of the variables. A variable that is not set, or that is empty, is undefined. */
export interface ProxyVariables {
  readonly http: string | undefined
  readonly https: string | undefined
  /** Hosts for which no proxy is used. */
  readonly none: string | undefined
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (Net.isIPv4(host) && host.startsWith("127."))

const familyOf = (ip: string): "ipv4" | "ipv6" => (Net.isIPv6(ip) ? "ipv6" : "ipv4")

/** Splits off a port, if there is one. IPv6 with a port stands in brackets. */
const split = (text: string): { readonly host: string; readonly port: string | undefined } => {
  const [, bracketed, plain = text, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  return { host: bracketed ?? plain, port }
}

/**
 * Whether one entry of `NO_PROXY` names a host: `*`, an address, a network as `10.0.0.0/8`, a domain with what is below it
 * (`example.com`), or only what is below it (`.example.com`); all but a network may name a port.
 */
const names = (entry: string, host: string, port: string): boolean => {
  if (entry === "*") return true
  const [network = "", bits] = entry.split("/")
  if (bits !== undefined && Net.isIP(network) !== 0) {
    if (!/^\d{1,3}$/.test(bits) || Number(bits) > (Net.isIPv6(network) ? 128 : 32) || Net.isIP(host) === 0)
      return false
    const list = new Net.BlockList()
    list.addSubnet(network, Number(bits), familyOf(network))
    return list.check(host, familyOf(host))
  }
  const wanted = split(entry)
  if (wanted.port !== undefined && wanted.port !== port) return false
  if (Net.isIP(wanted.host) !== 0) return wanted.host === host
  const domain = wanted.host.replace(/^\*/, "")
  return domain.startsWith(".") ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

/**
 * The URL of the proxy for an address, or undefined. Left: the problem, without the text of the variable, which may have a
 * password.
 */
export const proxyFor = (
  address: Address.Address,
  { http, https, none = "" }: ProxyVariables
): Either.Either<string | undefined, { readonly isSecure: boolean; readonly problem: string }> => {
  if (Address.socket(address) !== undefined) return Either.right(undefined)
  const url = new URL(address)
  const isSecure = url.protocol === "https:"
  const text = isSecure ? https : http
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase()
  const port = url.port === "" ? (isSecure ? "443" : "80") : url.port
  if (text === undefined || isLoopback(host)) return Either.right(undefined)
  const entries = none.split(",").map((entry) => entry.trim().toLowerCase())
  if (entries.some((entry) => entry !== "" && names(entry, host, port))) return Either.right(undefined)
  const proxy = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const invalid = (problem: string) => Either.left({ isSecure, problem })
  if (!URL.canParse(proxy)) return invalid("not the address of a proxy; write http://host:port")
  return /^https?:/i.test(proxy)
    ? Either.right(proxy)
    : invalid("only proxies with http:// or https:// are supported")
}
