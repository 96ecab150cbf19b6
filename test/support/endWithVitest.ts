/**
 * Ends a test process, and thereby its servers, when Vitest's main process is killed. Otherwise Vitest 3.2 would try for ever to
 * report to the main process.
 */
// Vitest reports `process.exit` as a mistake of the test.
const endWithVitest = () => process.kill(process.pid)

// Once for all files that this process runs.
if (!process.listeners("disconnect").some(({ name }) => name === endWithVitest.name)) {
  process.on("disconnect", endWithVitest)
}
