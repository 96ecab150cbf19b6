import { defineConfig } from "vitest/config"
import ClosingLine from "./test/ClosingLine.js"
import FiguresReporter from "./test/chaos/support/FiguresReporter.js"

const servers = ["test/consul/**/*.test.ts", "test/cli/**/*.test.ts"]
const chaos = ["test/chaos/**/*.test.ts"]
const simulation = ["test/simulation/**/*.test.ts"]

export default defineConfig({
  test: {
    reporters: ["default", new FiguresReporter(), new ClosingLine()],
    // Each file of the second project runs servers of its own.
    maxWorkers: 2,
    // Simulated histories are many small objects that die young; with the default size they take half as long again.
    poolOptions: { forks: { execArgv: ["--max-semi-space-size=64"] } },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...servers, ...chaos, ...simulation],
          // No module keeps state, and loading Effect again for each file takes longer than most of the tests.
          poolOptions: { forks: { isolate: false } },
          testTimeout: 30_000
        }
      },
      {
        test: {
          name: "simulation",
          include: simulation,
          testTimeout: 240_000
        }
      },
      {
        test: {
          name: "servers",
          include: servers,
          globalSetup: "test/consul/globalSetup.ts",
          setupFiles: "test/consul/setup.ts",
          // After the unit tests, which would be slow beside elections.
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      },
      {
        test: {
          name: "chaos",
          include: chaos,
          globalSetup: "test/consul/globalSetup.ts",
          setupFiles: "test/consul/setup.ts",
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})
