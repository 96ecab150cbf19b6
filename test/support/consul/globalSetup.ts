/**
 * Fetches a Consul binary before the test files of a project start, and runs the datacenters that the files share.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { TestProject } from "vitest/node"
import * as RealConsul from "./RealConsul.js"
import type { Places } from "./SharedDatacenters.js"

declare module "vitest" {
  interface ProvidedContext {
    readonly consul: {
      /** The reason why there is no Consul. Absent if there is one. */
      readonly missing: string | null
      /** Whether a test that needs Consul fails without it. Otherwise the test is skipped. */
      readonly required: boolean
      /** The shared datacenters. None without Consul. */
      readonly shared: Places | null
    }
  }
}

const required = Config.boolean("REQUIRE_CONSUL").pipe(
  Config.orElse(() => Config.boolean("CI")),
  Config.withDefault(false)
)

const missing = RealConsul.binary.pipe(
  Effect.as(null),
  Effect.catchAll(({ message }) => Effect.succeed(message)),
  Effect.provide(NodeContext.layer)
)

/** An agent counts the connection of a killed program as long as the program's query blocks. Consul's limit of 200 is too low. */
const config = { limits: { http_max_conns_per_client: 10_000 } }

const placeOf = ({ address, name }: RealConsul.Datacenter) => ({ name, address })

const shared = RealConsul.datacenters(["nyc1", "sfo1"], { config }).pipe(
  Effect.map(({ nyc1, sfo1 }): Places => ({ nyc1: placeOf(nyc1), sfo1: placeOf(sfo1) })),
  Effect.provide(NodeContext.layer)
)

export default (project: TestProject) =>
  Effect.gen(function* () {
    const consul = { missing: yield* missing, required: yield* required }
    if (consul.missing === null) {
      const scope = yield* Scope.make()
      project.provide("consul", { ...consul, shared: yield* Scope.extend(shared, scope) })
      return () => Effect.runPromise(Scope.close(scope, Exit.void))
    }
    project.provide("consul", { ...consul, shared: null })
    if (consul.required) return undefined
    const warning = [
      "",
      "*** The tests against real Consul servers are SKIPPED: there is no Consul.",
      `*** ${consul.missing}`,
      ""
    ].join("\n")
    const warn = () => project.vitest.logger.warn(warning)
    warn()
    // Printed again at the end, where a reader looks first.
    return warn
  }).pipe(Effect.runPromise)
