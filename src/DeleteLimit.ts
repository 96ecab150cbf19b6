/**
 * The limit of how many keys one pass may delete. A source that lost its keys must not cost the copy its keys: beyond the
 * limit, all deletes of the pass are held until the source has the keys again, or a person decides.
 *
 * @since 0.5.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * `percent` is of the keys that the destination holds under its prefix, from 0 to 100; `count` a number of keys.
 *
 * @since 0.5.0
 * @category models
 */
export type DeleteLimit = Data.TaggedEnum<{
  Share: { readonly percent: number }
  Count: { readonly count: number }
}>

/**
 * @since 0.5.0
 * @category constructors
 */
export const DeleteLimit = Data.taggedEnum<DeleteLimit>()

/**
 * Half of the keys.
 *
 * @since 0.5.0
 * @category constructors
 */
export const defaultLimit: DeleteLimit = DeleteLimit.Share({ percent: 50 })

/**
 * Holds back nothing: no pass deletes more keys than there are.
 *
 * @since 0.5.0
 * @category constructors
 */
export const unlimited: DeleteLimit = DeleteLimit.Share({ percent: 100 })

/**
 * The number of deletes that every limit allows. Otherwise the last keys of a small prefix could never be deleted.
 *
 * @since 0.5.0
 * @category models
 */
export const alwaysAllowed = 10

/**
 * Whether a pass may delete `deletes` keys: all of them or none, since it is unknown which deletes are meant. `totalKeys` is
 * the number of keys at the destination.
 *
 * @since 0.5.0
 * @category judging
 */
export const allows = (limit: DeleteLimit, deletes: number, totalKeys: number): boolean => {
  const allowed = DeleteLimit.$match(limit, {
    Share: ({ percent }) => (totalKeys * percent) / 100,
    Count: ({ count }) => count
  })
  return deletes <= Math.max(alwaysAllowed, allowed)
}

/**
 * The limit as it is written on a command line: `50%` or `200`.
 *
 * @since 0.5.0
 * @category text
 */
export const format: (limit: DeleteLimit) => string = DeleteLimit.$match({
  Share: ({ percent }) => `${percent}%`,
  Count: ({ count }) => String(count)
})

/**
 * Reads a limit as {@link format} writes it. Left: what a limit must be.
 *
 * @since 0.5.0
 * @category text
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { DeleteLimit } from "consul-replicate"
 * import { Either } from "effect"
 *
 * const { Count, Share } = DeleteLimit.DeleteLimit
 * assert.deepStrictEqual(DeleteLimit.parse("12.5%"), Either.right(Share({ percent: 12.5 })))
 * assert.deepStrictEqual(DeleteLimit.parse("200"), Either.right(Count({ count: 200 })))
 * ```
 */
export const parse = (text: string): Either.Either<DeleteLimit, string> => {
  const [, digits, percent] = /^(\d{1,15}(?:\.\d{1,15})?)(%?)$/.exec(text) ?? []
  const number = Number(digits)
  if (digits === undefined || (percent === "" && !Number.isInteger(number))) {
    return Either.left(`a share such as 50% or a number of keys such as 200, not ${JSON.stringify(text)}`)
  }
  if (percent === "") return Either.right(DeleteLimit.Count({ count: number }))
  return number <= 100
    ? Either.right(DeleteLimit.Share({ percent: number }))
    : Either.left(`at most 100%, which lets every delete pass, not ${text}`)
}

/** A share from 0 to 100, or a whole number of keys. */
const isDeleteLimit = (limit: unknown): limit is DeleteLimit => {
  if (Predicate.isTagged(limit, "Share")) {
    return Predicate.hasProperty(limit, "percent") && isWithin(limit.percent, 100)
  }
  return (
    Predicate.isTagged(limit, "Count") &&
    Predicate.hasProperty(limit, "count") &&
    Number.isInteger(limit.count) &&
    isWithin(limit.count, Number.MAX_SAFE_INTEGER)
  )
}

const isWithin = (number: unknown, most: number): boolean =>
  Predicate.isNumber(number) && number >= 0 && number <= most

/**
 * @since 0.5.0
 * @category schemas
 */
export const DeleteLimitFromSelf: Schema.Schema<DeleteLimit> = Schema.declare(isDeleteLimit, {
  identifier: "DeleteLimit",
  message: () => "the limit is a share from 0 to 100, or a whole number of keys"
})

/**
 * A limit as {@link format} writes it.
 *
 * @since 0.5.0
 * @category schemas
 */
export const DeleteLimitFromString: Schema.Schema<DeleteLimit, string> = Schema.transformOrFail(
  Schema.String,
  DeleteLimitFromSelf,
  {
    strict: true,
    decode: (text, _, ast) =>
      Either.mapLeft(parse(text), (expected) => new ParseResult.Type(ast, text, `the limit is ${expected}`)),
    encode: (limit) => ParseResult.succeed(format(limit))
  }
)
