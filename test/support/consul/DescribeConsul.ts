/**
 * `describe` for tests that need real Consul servers.
 */
import { describe, inject, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const { missing, required } = inject("consul")

export interface Options {
  /** Whether the tests run concurrently. It suits tests that mostly wait, with their own names on shared servers. */
  readonly concurrent?: boolean
}

/** Without Consul the tests are skipped. If Consul is required (CI, REQUIRE_CONSUL), one test fails with the reason. */
export const describeConsul = (name: string, tests: () => void, options: Options = {}): void => {
  if (missing === null) describe(name, options, tests)
  else if (required) describe(name, () => it.effect("needs Consul", () => Effect.dieMessage(missing)))
  else describe.skip(name, tests)
}
