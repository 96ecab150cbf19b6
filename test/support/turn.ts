/**
 * Lets the event loop turn after each test. A test on a simulated clock runs to its end without a turn, and Vitest gives up a
 * worker that does not answer for a minute. On a slow machine, a file of many such tests takes longer than that.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach } from "@effect/vitest"

afterEach(() => setImmediate())
