/**
 * The version of this program, equal to that in `package.json`.
 *
 * @since 0.1.0
 */
export const version = "0.5.0"
