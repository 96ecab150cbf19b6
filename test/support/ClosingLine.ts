/**
 * A reporter that ends the output with the totals, alone on a line: `12 passed, 0 failed, 1 skipped`.
 *
 * `TEST_TOTALS` names a file in which several runs add up their totals: each run's line counts the runs before it too.
 * With `CI` a skipped test makes the run fail, unless `-t` has skipped it: no other run would test it.
 */
import * as Fs from "node:fs"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Reporter, TestModule, TestState, Vitest } from "vitest/node"

const settings = Config.all({
  file: Config.option(Config.nonEmptyString("TEST_TOTALS")),
  isCi: Config.withDefault(Config.boolean("CI"), false)
})

interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

const none: Totals = { passed: 0, failed: 0, skipped: 0 }

const sum = (a: Totals, b: Totals): Totals => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped
})

/** Adds a run's totals to those in the file, and returns the sum. */
const addedIn = (file: string, totals: Totals): Totals => {
  const text = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : ""
  const all = sum(text === "" ? none : (JSON.parse(text) as Totals), totals)
  Fs.writeFileSync(file, JSON.stringify(all))
  return all
}

export default class ClosingLine implements Reporter {
  #totals: Totals | undefined

  onInit(vitest: Vitest) {
    const { file, isCi } = Effect.runSync(settings)
    vitest.onClose(() => {
      const totals = this.#totals
      if (totals === undefined) return vitest.logger.log("no tests were run")
      if (isCi && totals.skipped > 0 && vitest.config.testNamePattern === undefined) {
        process.exitCode = 1
        vitest.logger.error("in CI a test that is skipped is a failure")
      }
      const { failed, passed, skipped } = Option.match(file, {
        onNone: () => totals,
        onSome: (name) => addedIn(name, totals)
      })
      vitest.logger.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
    })
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>) {
    const tests = (state: TestState) =>
      modules.flatMap(({ children }) => [...children.allTests(state)]).length
    // A file that does not load and a hook that fails are failures without a test.
    const broken = modules
      .flatMap((module) => [module, ...module.children.allSuites()])
      .filter((suite) => suite.errors().length > 0)
    this.#totals = {
      passed: tests("passed"),
      failed: tests("failed") + broken.length + unhandledErrors.length,
      skipped: tests("skipped")
    }
  }
}
