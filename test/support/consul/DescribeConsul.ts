/**
 * `describe` for what needs real Consul servers.
 */
import { describe, inject, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const { missing, required } = inject("consul")

export interface Options {
  /** Whether the tests run side by side: those that mostly wait, for names of their own on shared servers. */
  readonly concurrent?: boolean
}

/** Without Consul, the tests are skipped, or one that says so fails where Consul is required (CI, REQUIRE_CONSUL). */
export const describeConsul = (name: string, tests: () => void, options: Options = {}): void => {
  if (missing === null) describe(name, options, tests)
  else if (required) describe(name, () => it.effect("needs Consul", () => Effect.dieMessage(missing)))
  else describe.skip(name, tests)
}
