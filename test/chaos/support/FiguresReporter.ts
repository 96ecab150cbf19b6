/**
 * A reporter that prints the measurements of the tests after the last test.
 */
import type { Reporter, TestCase, Vitest } from "vitest/node"

declare module "vitest" {
  interface TaskMeta {
    figures?: ReadonlyArray<string>
  }
}

export default class FiguresReporter implements Reporter {
  readonly #lines: Array<string> = []
  #vitest: Vitest | undefined

  onInit(vitest: Vitest) {
    this.#vitest = vitest
  }

  onTestCaseResult(test: TestCase) {
    const mark = test.ok() ? "✓" : "✗"
    for (const line of test.meta().figures ?? []) this.#lines.push(`${mark} ${test.name}: ${line}`)
  }

  onTestRunEnd() {
    if (this.#lines.length > 0) this.#vitest?.logger.log(`\n${this.#lines.join("\n")}`)
  }
}
