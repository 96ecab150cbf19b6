/** Answers that are small JSON documents, decoded by a schema. */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as ConsulError from "../../ConsulError.js"
import { fromEither, type Received } from "./Request.js"

/**
 * The place of the first difference, and the expected type. The actual content is not shown: it may be the value of a key. The
 * messages of `ParseError` and of V8 quote the document, and are not shown for the same reason.
 */
const difference = (issue: ParseResult.ParseIssue, path: ReadonlyArray<PropertyKey> = []): string => {
  switch (issue._tag) {
    case "Pointer":
      return difference(issue.issue, path.concat(issue.path))
    case "Composite": {
      // A union has an issue for each member: the member that fits best has a deeper issue.
      const deeper = [issue.issues].flat().find(({ _tag }) => _tag === "Pointer" || _tag === "Composite")
      return deeper === undefined ? expected(issue.ast, path) : difference(deeper, path)
    }
    case "Missing":
      return `${place(path)} is missing`
    case "Unexpected":
      return `${place(path)} should not be there`
    default:
      return expected(issue.ast, path)
  }
}

const place = (path: ReadonlyArray<PropertyKey>): string =>
  path.length === 0 ? "it" : path.map(String).join(".")

const expected = (type: unknown, path: ReadonlyArray<PropertyKey>): string =>
  `${place(path)} should be ${type}`

/** Call it once for a schema, not for each answer: it compiles the parser. */
export const decode = <A, I>(schema: Schema.Schema<A, I>) => {
  const decodeDocument = Schema.decodeUnknownEither(schema)
  return (received: Received): Effect.Effect<A, ConsulError.UnexpectedAnswer> =>
    Either.try(() => JSON.parse(received.text) as unknown).pipe(
      Either.mapLeft(() => `${received.text.length} characters that are not a JSON document`),
      Either.flatMap((document) =>
        Either.mapLeft(
          decodeDocument(document),
          ({ issue }) => `another shape than expected: ${difference(issue)}`
        )
      ),
      (decoded) => fromEither(received, decoded)
    )
}
