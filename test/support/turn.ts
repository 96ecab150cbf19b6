/**
 * Lets the event loop turn after each test. Tests on a simulated clock run to their end without a turn, and Vitest gives up
 * a worker that does not answer for a minute: a file of many such tests would take longer on a slow machine.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach } from "@effect/vitest"

afterEach(() => setImmediate())
