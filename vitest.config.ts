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

/** No module keeps state, and loading Effect again for each file takes longer than most of the tests. */
const together = { forks: { isolate: false } }

const withConsul = {
  globalSetup: "test/support/consul/globalSetup.ts",
  setupFiles: ["test/support/consul/setup.ts", "test/support/turn.ts"],
  hookTimeout: limits.hook
}

export default defineConfig({
  test: {
    reporters: ["default", new FiguresReporter(), new ProgressLine(), new ClosingLine()],
    // One more than a small machine has cores: tests that use servers wait more than they work.
    maxWorkers: 3,
    teardownTimeout: limits.teardown,
    // Simulated histories are many small objects that die young; with the default size they take half as long again.
    poolOptions: { forks: { execArgv: ["--max-semi-space-size=64"] } },
    projects: [
      {
        test: {
          name: "unit",
          setupFiles: "test/support/turn.ts",
          include: ["test/**/*.test.ts"],
          exclude: [...servers, ...simulation, ...long, ...chaos],
          poolOptions: together,
          testTimeout: limits.test,
          hookTimeout: limits.hook
        }
      },
      {
        test: {
          name: "simulation",
          setupFiles: "test/support/turn.ts",
          include: simulation,
          exclude: long,
          testTimeout: limits.long,
          hookTimeout: limits.hook
        }
      },
      {
        test: {
          ...withConsul,
          name: "servers",
          include: servers,
          exclude: long,
          poolOptions: together,
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
