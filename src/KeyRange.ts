/**
 * A part of the key space: all keys that start with a prefix, or one key alone.
 *
 * @since 0.5.0
 */

/**
 * With `exact`, `prefix` is a whole key and no other key belongs to the range.
 *
 * @since 0.5.0
 * @category models
 */
export interface KeyRange {
  readonly prefix: string
  readonly exact: boolean
}

/**
 * All keys that start with `prefix`.
 *
 * @since 0.5.0
 * @category constructors
 */
export const under = (prefix: string): KeyRange => ({ prefix, exact: false })

/**
 * One key.
 *
 * @since 0.5.0
 * @category constructors
 */
export const only = (key: string): KeyRange => ({ prefix: key, exact: true })

/**
 * @since 0.5.0
 * @category predicates
 */
export const contains = ({ exact, prefix }: KeyRange, key: string): boolean =>
  exact ? key === prefix : key.startsWith(prefix)

/**
 * Whether there can be a key that is in both ranges.
 *
 * @since 0.5.0
 * @category predicates
 */
export const overlaps = (a: KeyRange, b: KeyRange): boolean => contains(a, b.prefix) || contains(b, a.prefix)

/**
 * @since 0.5.0
 * @category predicates
 */
export const equals = (a: KeyRange, b: KeyRange): boolean => a.prefix === b.prefix && a.exact === b.exact

/**
 * A map key: equal for equal ranges only.
 *
 * @since 0.5.0
 * @category text
 */
export const id = ({ exact, prefix }: KeyRange): string => `${exact ? "=" : "<"}${prefix}`
