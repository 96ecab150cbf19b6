import { defineConfig } from "vitest/config"
import FiguresReporter from "./test/chaos/support/FiguresReporter.js"
import ClosingLine from "./test/support/ClosingLine.js"
import ProgressLine from "./test/support/ProgressLine.js"

/** Tests that use servers or the built command. */
const servers = ["test/conformance/**/*.test.ts", "test/program/**/*.test.ts"]
const simulation = ["test/simulation/**/*.test.ts"]
/** Tests that take longer than a newcomer waits: `npm run test:long` runs them, `npm test` does not. */
const long = ["test/**/*.long.test.ts"]
const chaos = ["test/chaos/**/*.test.ts"]

/** Limits in ms. A limit ends what hangs: it is at least ten times what is usual, on a machine that is busy. */
const limits = { test: 600_000, long: 3_600_000, hook: 600_000, teardown: 120_000 }

const common = {
  setupFiles: ["test/support/endWithVitest.ts", "test/support/turn.ts"],
  hookTimeout: limits.hook
}

const withConsul = { ...common, globalSetup: "test/support/consul/globalSetup.ts" }

export default defineConfig({
  test: {
    reporters: ["default", new FiguresReporter(), new ProgressLine(), new ClosingLine()],
    // One more than a small machine has cores: tests that use servers wait more than they work.
    maxWorkers: 3,
    // As many as at most: Vitest 3.2 ends a spare worker twice, and then the run fails with "Terminating worker thread".
    minWorkers: 3,
    teardownTimeout: limits.teardown,
    poolOptions: {
      forks: {
        // No module keeps state, and loading Effect again for each file takes longer than most of the tests. Vitest 3.2 ignores
        // the option in a project.
        isolate: false,
        // Simulated histories are many small objects that die young; with the default size they take half as long again.
        execArgv: ["--max-semi-space-size=64"]
      }
    },
    projects: [
      {
        test: {
          ...common,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...servers, ...long, ...chaos],
          testTimeout: limits.test
        }
      },
      {
        test: {
          ...withConsul,
          name: "servers",
          include: servers,
          exclude: long,
          // After the tests that keep the processors busy.
          sequence: { groupOrder: 1 },
          testTimeout: limits.test
        }
      },
      {
        test: {
          ...withConsul,
          name: "long",
          // Histories and sequences of requests once more, and many more of them.
          include: [...long, ...simulation, "test/conformance/Conformance.test.ts"],
          env: { SIMULATION_SEEDS: "300", CONFORMANCE_RUNS: "150" },
          testTimeout: limits.long
        }
      },
      {
        test: {
          ...withConsul,
          name: "chaos",
          include: chaos,
          sequence: { groupOrder: 2 },
          testTimeout: limits.long
        }
      }
    ]
  }
})
