/**
 * The refusals of Consul (1.8.7) for a token that must not change some keys. Consul checks the token first, and each operation of
 * a transaction by itself.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Operations = Schema.parseJson(
  Schema.Array(Schema.Struct({ KV: Schema.Struct({ Verb: Schema.String, Key: Schema.String }) }))
)

const changing: ReadonlySet<string> = new Set(["set", "cas", "delete"])

const message = "Permission denied"

interface Answer {
  readonly status: number
  readonly text: string
}

/**
 * The answer that refuses a request, or `undefined` if the token may make the request. `path` is decoded. `body` is used if the
 * request is a transaction.
 */
export const refusal = (
  { body, method, path }: { readonly method: string; readonly path: string; readonly body: string },
  isDenied: (key: string) => boolean
): Answer | undefined => {
  if (method !== "PUT") return undefined
  if (path.startsWith("/v1/kv/")) {
    return isDenied(path.slice("/v1/kv/".length)) ? { status: 403, text: message } : undefined
  }
  if (path !== "/v1/txn") return undefined
  const operations = Option.getOrElse(Schema.decodeUnknownOption(Operations)(body), () => [])
  const failures = operations.flatMap(({ KV: { Key, Verb } }, i) =>
    changing.has(Verb) && isDenied(Key) ? [{ OpIndex: i, What: message }] : []
  )
  return failures.length === 0
    ? undefined
    : { status: 409, text: JSON.stringify({ Results: null, Errors: failures }) }
}
