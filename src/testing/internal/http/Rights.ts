/**
 * What Consul (1.8.7) answers a token that may not change some keys: before it looks at anything else, and of each
 * operation of a transaction.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Operations = Schema.parseJson(
  Schema.Array(Schema.Struct({ KV: Schema.Struct({ Verb: Schema.String, Key: Schema.String }) }))
)

const changing: ReadonlySet<string> = new Set(["set", "cas", "delete"])

const what = "Permission denied"

interface Answer {
  readonly status: number
  readonly text: string
}

/** None where it has nothing against it. `path` is decoded, `body` that of a transaction. */
export const refusal = (
  { body, method, path }: { readonly method: string; readonly path: string; readonly body: string },
  isDenied: (key: string) => boolean
): Answer | undefined => {
  if (method !== "PUT") return undefined
  if (path.startsWith("/v1/kv/")) {
    return isDenied(path.slice("/v1/kv/".length)) ? { status: 403, text: what } : undefined
  }
  if (path !== "/v1/txn") return undefined
  const operations = Option.getOrElse(Schema.decodeUnknownOption(Operations)(body), () => [])
  const failures = operations.flatMap(({ KV: { Key, Verb } }, at) =>
    changing.has(Verb) && isDenied(Key) ? [{ OpIndex: at, What: what }] : []
  )
  return failures.length === 0
    ? undefined
    : { status: 409, text: JSON.stringify({ Results: null, Errors: failures }) }
}
