import { describe, expect, it } from "@effect/vitest"
import { isOwn } from "../../../src/cli/commands/dev/Hosts.js"

const own = ["10.1.2.3", "fd00::1", "::ffff:10.9.9.9", "consul.internal", "", "0.0.0.0"]

describe("a Host header", () => {
  it.each([
    "localhost:8500",
    "LOCALHOST",
    "a.localhost:8500",
    "127.0.0.1:8500",
    "127.1.2.3",
    "[::1]:8500",
    "10.1.2.3:8500",
    "10.9.9.9",
    "[fd00::1]:8500",
    "Consul.Internal:80"
  ])("%s is this server's own", (host) => {
    expect(isOwn(host, own)).toBe(true)
  })

  it.each([
    "",
    "evil.example",
    "evil.example:8500",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "notlocalhost",
    "10.1.2.4",
    "[fd00::2]",
    "169.254.169.254",
    "consul.internal.evil.example",
    "a b"
  ])("%s is somebody else's", (host) => {
    expect(isOwn(host, own)).toBe(false)
  })
})
