import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Address from "../../src/Address.js"
import * as InFlight from "../../src/internal/consul/InFlight.js"

const endpoint = { address: Either.getOrThrow(Address.parse("127.0.0.1:8500")) }

const inFlight = (answering: Set<string> = new Set()) =>
  InFlight.make(endpoint, answering, { method: "GET", path: "/v1/kv/a" }, undefined)

describe("a request without an answer in time", () => {
  it("fails with how much of the answer has arrived", () => {
    const request = inFlight()
    expect(InFlight.silent(request, Duration.seconds(10)).reason).toBe("nothing within 10s")
    request.isAnswered = true
    request.bytes = 7
    expect(InFlight.silent(request, Duration.seconds(10)).reason).toBe(
      "the answer stopped after 7 bytes: nothing within 10s"
    )
  })

  it("takes its agent from those that answer", () => {
    const answering = new Set<string>([endpoint.address])
    InFlight.silent(inFlight(answering), Duration.seconds(10))
    expect(answering).toEqual(new Set())
  })
})

describe("a connection that broke", () => {
  it("fails without the token that was sent", () => {
    const request = inFlight()
    request.token = Redacted.make("secret")
    const error = InFlight.connectionError(request, new TypeError('invalid header value: "secret"'))
    expect(String(error)).not.toContain("secret")
    expect(error).toMatchObject({ _tag: "Unreachable" })
  })
})
