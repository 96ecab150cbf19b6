/**
 * The keys of a pair at the destination at one moment. One transaction reads them, so that no write comes between.
 */
import * as Crypto from "node:crypto"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { foreignTo, type Pair } from "./Pair.js"

/** Digests of values with their flags, by key. A failing expectation prints digests, and no value. */
export type Contents = HashMap.HashMap<string, string>

export interface View {
  readonly contents: Contents
  /** None before a program has written the status. */
  readonly status: Option.Option<Status>
  /** Changes with any write to the keys next to the pair's. */
  readonly foreign: string
}

class Status extends Schema.Class<Status>("test/chaos/View/Status")({
  State: Schema.String,
  LastReplicated: Schema.Number,
  Session: Schema.String
}) {}

const Entries = Schema.parseJson(
  Schema.Struct({
    Results: Schema.NullOr(
      Schema.Array(
        Schema.Struct({
          KV: Schema.Struct({
            Key: Schema.String,
            Value: Schema.NullOr(Schema.String),
            Flags: Schema.Number,
            ModifyIndex: Schema.Number
          })
        })
      )
    )
  })
)

export const digest = (base64: string, flags: number): string =>
  `${flags} ${Crypto.createHash("sha1").update(base64).digest("hex")}`

export const look = Effect.fnUntraced(function* (pair: Pair) {
  const trees = [pair.prefix, pair.status, ...foreignTo(pair)]
  const { text } = yield* pair.destination.request(
    "PUT",
    "/v1/txn",
    JSON.stringify(trees.map((Key) => ({ KV: { Verb: "get-tree", Key } })))
  )
  const { Results } = yield* Effect.orDie(Schema.decode(Entries)(text))
  const entries = (Results ?? []).map(({ KV }) => KV)
  const status = entries.find(({ Key }) => Key === pair.status)
  const isForeign = new Set(foreignTo(pair))
  return {
    contents: HashMap.fromIterable(
      entries
        .filter(({ Key }) => Key.startsWith(pair.prefix))
        .map(({ Flags, Key, Value }) => [Key, digest(Value ?? "", Flags)] as const)
    ),
    status: Option.map(Option.fromNullable(status), ({ Value }) =>
      Schema.decodeSync(Schema.parseJson(Status))(Buffer.from(Value ?? "", "base64").toString())
    ),
    foreign: entries
      .filter(({ Key }) => isForeign.has(Key))
      .map(({ Key, ModifyIndex }) => `${Key}@${ModifyIndex}`)
      .sort()
      .join()
  } satisfies View
})
