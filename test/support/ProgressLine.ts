/**
 * A reporter that prints every 15 seconds how far the tests are: `1m 15s: 412 tests done in 40 of 71 files; now …`.
 */
import * as Path from "node:path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node"

const interval = Duration.seconds(15)

/** The most running tests, or loading files, that the line names. */
const namedAtMost = 2

export default class ProgressLine implements Reporter {
  /** The running tests by id, in the order of their starts. */
  readonly #running = new Map<string, TestCase>()
  /** The files whose first test has not begun, by id. */
  readonly #loading = new Map<string, TestModule>()
  #vitest: Vitest | undefined
  #files = { all: 0, ended: 0 }
  #tests = { done: 0, failed: 0 }
  #printing: Fiber.RuntimeFiber<unknown> | undefined

  onInit(vitest: Vitest) {
    this.#vitest = vitest
  }

  onTestRunStart(files: ReadonlyArray<unknown>) {
    this.#running.clear()
    this.#loading.clear()
    this.#files = { all: files.length, ended: 0 }
    this.#tests = { done: 0, failed: 0 }
    this.#printing = Effect.runFork(
      Effect.flatMap(Clock.currentTimeMillis, (start) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => this.#print(now - start))).pipe(
          Effect.schedule(Schedule.spaced(interval))
        )
      )
    )
  }

  onTestModuleQueued(module: TestModule) {
    this.#loading.set(module.id, module)
  }

  onTestModuleEnd(module: TestModule) {
    this.#loading.delete(module.id)
    this.#files.ended += 1
  }

  onTestCaseReady(test: TestCase) {
    this.#loading.delete(test.module.id)
    this.#running.set(test.id, test)
  }

  onTestCaseResult(test: TestCase) {
    this.#running.delete(test.id)
    this.#tests.done += 1
    if (!test.ok()) this.#tests.failed += 1
  }

  onTestRunEnd() {
    if (this.#printing !== undefined) Effect.runFork(Fiber.interrupt(this.#printing))
  }

  #print(elapsed: number) {
    const { done, failed } = this.#tests
    const tests = [...this.#running.values()].map(({ module, name }) => `${this.#path(module)}: "${name}"`)
    const loading = [...this.#loading.values()].map((module) => `loading ${this.#path(module)}`)
    const all = [...tests, ...loading]
    const named = all.slice(0, namedAtMost)
    const more = all.length - named.length
    const now = [...named, ...(more > 0 ? [`${more} more`] : [])].join(", ") || "nothing"
    this.#vitest?.logger.log(
      `${Duration.format(Duration.seconds(Math.round(elapsed / 1_000)))}: ${done} tests done, ${failed} failed, ` +
        `in ${this.#files.ended} of ${this.#files.all} files; now ${now}`
    )
  }

  #path(module: TestModule): string {
    return Path.relative(this.#vitest?.config.root ?? "", module.moduleId)
  }
}
