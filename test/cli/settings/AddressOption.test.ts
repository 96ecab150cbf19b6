import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { mayRepeat, parse } from "../../../src/cli/settings/AddressOption.js"

describe("-addr", () => {
  it("is what the library accepts as an address", () => {
    expect(parse("127.0.0.1")).toEqual(Either.right("http://127.0.0.1:8500"))
  })

  it.each([
    [" ", "the agent needs an address, such as 127.0.0.1:8500"],
    [
      "ftp://127.0.0.1",
      "only http://, https:// and unix:// are supported; write host:port, https://host:port or unix:///path"
    ],
    ["x:port", "not an address; write host:port, with IPv6 as in [::1]:8500"],
    ["hunter2@127.0.0.1:no", "not an address; write host:port, with IPv6 as in [::1]:8500"],
    [
      "hunter2@127.0.0.1",
      "an address holds no user and no password; give these by CONSUL_HTTP_AUTH, and Consul's token by CONSUL_HTTP_TOKEN"
    ],
    ["127.0.0.1:8500?token=x", "an address has no query; write host:port"]
  ])("%j is refused with what to write: %s", (address, problem) => {
    expect(parse(address)).toEqual(Either.left(problem))
  })

  it("a text that may hold a password or a token is not repeated", () => {
    expect(["hunter2@127.0.0.1", "x/?token=5ecret", "127.0.0.1:8500/v1"].map(mayRepeat)).toEqual([
      false,
      false,
      true
    ])
  })
})
