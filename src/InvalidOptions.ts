/**
 * Options that cannot be used, refused before anything was read or written.
 *
 * @since 0.5.0
 */
import * as Data from "effect/Data"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"

/**
 * One field has a value that cannot be used. The other fields may have such values too.
 *
 * @since 0.5.0
 * @category errors
 */
export class InvalidOptions extends Data.TaggedError("InvalidOptions")<{
  /** The name of the options. */
  readonly of: "Replication" | "LeaderLock"
  /** Name of the field. Empty if the options are no object. */
  readonly field: string
  /** The field's value as it was given; `undefined` if it was not. */
  readonly given: unknown
  /** The problem of the value, and the text to write instead. */
  readonly problem: string
  /** Name of another field that can be changed instead. */
  readonly alternative?: string | undefined
}> {
  override get message() {
    const where = this.field === "" ? this.of : this.field
    const instead = this.alternative === undefined ? "" : `, or another ${this.alternative}`
    return `${where}: ${this.problem}${instead}`
  }
}

/**
 * The first problem of what a schema has refused.
 *
 * @since 0.5.0
 * @category constructors
 */
export const fromParseError = (
  of: InvalidOptions["of"],
  options: unknown,
  { issue }: ParseResult.ParseError
): InvalidOptions => {
  const [first] = ParseResult.ArrayFormatter.formatIssueSync(issue)
  const field = String(first?.path[0] ?? "")
  return new InvalidOptions({
    of,
    field,
    given: Predicate.hasProperty(options, field) ? options[field] : field === "" ? options : undefined,
    problem: first?.message ?? "cannot be used"
  })
}
