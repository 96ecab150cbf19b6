/**
 * The simulated Consul and the tools that this project is tested with, for the tests of embedders.
 *
 * @since 0.1.0
 */

/**
 * @since 0.5.0
 */
export * as Logs from "./Logs.js"

/**
 * @since 0.5.0
 */
export * as Network from "./Network.js"

/**
 * @since 0.1.0
 */
export * as SimConsul from "./SimConsul.js"

/**
 * @since 0.5.0
 */
export * as VirtualTime from "./VirtualTime.js"

/**
 * @since 0.5.0
 */
export * as World from "./World.js"
