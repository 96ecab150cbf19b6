/**
 * Two datacenters, `nyc1` and `sfo1`, of one server each, that all test files of a project share. Each test uses its own prefix,
 * lock, status and service. A test that stops or configures a server starts `RealConsul.datacenters` of its own.
 */
import { inject } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface Place {
  /** The name of the datacenter. */
  readonly name: string
  /** Host and port of the server: `127.0.0.1:<port>`. */
  readonly address: string
}

export interface Places {
  readonly nyc1: Place
  readonly sfo1: Place
}

/** Dies without Consul: for tests in `describeConsul`. */
export class SharedDatacenters extends Context.Tag("test/consul/SharedDatacenters")<
  SharedDatacenters,
  Places
>() {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => {
      const { shared } = inject("consul")
      return shared === null ? Effect.dieMessage("there is no Consul") : Effect.succeed(shared)
    })
  )
}
