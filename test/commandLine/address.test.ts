import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { parse } from "../../src/cli/address.js"
import { failureOf } from "../support/Failure.js"

describe("-addr", () => {
  it.effect("is what the library takes for an address", () =>
    Effect.gen(function* () {
      expect(yield* parse("127.0.0.1")).toBe("http://127.0.0.1:8500")
    })
  )

  it.effect.each([
    [" ", "the agent needs an address, such as 127.0.0.1:8500"],
    ["ftp://127.0.0.1", "ftp:// is not supported; use http:// or https://"],
    ["x:port", '"x:port" is not an address; write host:port, with IPv6 as in [::1]:8500'],
    ["hunter2@127.0.0.1:no", "not an address; write host:port"],
    [
      "hunter2@127.0.0.1",
      "an address holds no user and password; Consul takes a token, see CONSUL_HTTP_TOKEN"
    ],
    ["127.0.0.1:8500/v1", '"127.0.0.1:8500/v1" has a path; write host:port']
  ] as const)("%j is refused by a line that names it: %s", ([address, problem]) =>
    Effect.gen(function* () {
      const error = yield* failureOf(parse(address))
      expect(error).toMatchObject({ _tag: "InvalidReplication", option: "addr" })
      expect(error.message).toBe(`-addr: ${problem}`)
    })
  )
})
