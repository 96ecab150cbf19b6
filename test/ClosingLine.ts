/**
 * A reporter that ends the output with the totals, alone on a line: `12 passed, 0 failed, 1 skipped`.
 */
import type { Reporter, TestModule, TestState, Vitest } from "vitest/node"

export default class ClosingLine implements Reporter {
  #line = "no tests were run"

  onInit(vitest: Vitest) {
    vitest.onClose(() => vitest.logger.log(this.#line))
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>) {
    const tests = (state: TestState) =>
      modules.flatMap(({ children }) => [...children.allTests(state)]).length
    // A file that doesn't load and a hook that fails are failures without a test.
    const broken = modules
      .flatMap((module) => [module, ...module.children.allSuites()])
      .filter((suite) => suite.errors().length > 0)
    const failed = tests("failed") + broken.length + unhandledErrors.length
    this.#line = `${tests("passed")} passed, ${failed} failed, ${tests("skipped")} skipped`
  }
}
