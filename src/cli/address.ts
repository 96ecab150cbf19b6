/**
 * The address of an agent as people write it: `host:port`, `host`, or a URL.
 */
import * as Effect from "effect/Effect"
import { InvalidReplication } from "../Replication.js"

const defaultPort = 8500

const invalid = (problem: string) => new InvalidReplication({ option: "addr", problem })

/** The base URL, without a slash at its end. The address itself is not repeated where it may hold a password. */
export const parse = (address: string): Effect.Effect<string, InvalidReplication> =>
  Effect.gen(function* () {
    if (address.trim() === "") return yield* invalid("the agent needs an address, such as 127.0.0.1:8500")
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1]?.toLowerCase() ?? ""
    if (!["", "http", "https"].includes(scheme)) {
      return yield* invalid(`${scheme}:// is not supported; use http:// or https://`)
    }
    const url = yield* Effect.try({
      try: () => new URL(scheme === "" ? `http://${address}` : address),
      catch: () =>
        invalid(
          address.includes("@")
            ? "not an address; write host:port"
            : `${JSON.stringify(address)} is not an address; write host:port, with IPv6 as in [::1]:8500`
        )
    })
    if (url.username !== "" || url.password !== "") {
      return yield* invalid(
        "an address holds no user and password; Consul takes a token, see CONSUL_HTTP_TOKEN"
      )
    }
    if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
      return yield* invalid(`${JSON.stringify(address)} has a path; write host:port`)
    }
    const port = scheme === "" && url.port === "" && !/:80$/.test(address) ? `:${defaultPort}` : ""
    return `${url.origin}${port}`
  })
