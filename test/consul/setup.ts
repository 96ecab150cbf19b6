/**
 * Ends a test process, and thereby its servers, when Vitest's main process is killed: left alone it would go on.
 */
// Not `process.exit`, which Vitest takes for a mistake of the test.
process.once("disconnect", () => process.kill(process.pid))
