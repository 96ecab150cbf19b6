/**
 * What this project tests itself with, for those who build on it.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export * as SimConsul from "./SimConsul.js"
