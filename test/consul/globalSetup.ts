/**
 * Makes sure of a Consul binary before the test files that need one start.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type { TestProject } from "vitest/node"
import * as RealConsul from "./RealConsul.js"

declare module "vitest" {
  interface ProvidedContext {
    readonly consul: { readonly missing: string | null; readonly required: boolean }
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

export default (project: TestProject) =>
  Effect.all({ missing, required }).pipe(
    Effect.map((consul) => {
      project.provide("consul", consul)
      if (consul.missing === null || consul.required) return undefined
      const warning = [
        "",
        "*** The tests against real Consul servers are SKIPPED: there is no Consul.",
        `*** ${consul.missing}`,
        ""
      ].join("\n")
      const warn = () => project.vitest.logger.warn(warning)
      warn()
      // Again where a reader looks: after the last line.
      return warn
    }),
    Effect.runPromise
  )
