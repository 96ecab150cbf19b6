/**
 * `/v1/kv/` and `/v1/txn`.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Command from "../cluster/Command.js"
import type * as Datacenter from "../cluster/Datacenter.js"
import * as Sessions from "../cluster/Sessions.js"
import * as Settings from "../cluster/Settings.js"
import * as Store from "../cluster/Store.js"
import * as Txn from "../cluster/Txn.js"
import * as Watch from "../cluster/Watch.js"
import { type ByteString, quote } from "../go/ByteString.js"
import type * as GoJson from "../go/GoJson.js"
import * as GoStruct from "../go/GoStruct.js"
import * as Http from "../http/Http.js"
import * as Refusal from "../http/Refusal.js"
import * as RequestTarget from "../http/RequestTarget.js"
import type { Context, Endpoint, Route } from "../http/Route.js"

/** The most operations of a transaction. */
const mostOperations = 64

const entryJson = (entry: Store.Entry): GoJson.Json => ({
  LockIndex: entry.lockIndex,
  Key: entry.key,
  Flags: entry.flags,
  // The servers store an empty value as no value.
  Value: entry.value.length === 0 ? null : entry.value,
  ...(entry.session === "" ? {} : { Session: entry.session }),
  CreateIndex: entry.createIndex,
  ModifyIndex: entry.modifyIndex
})

const tooLarge = (message: ByteString) => new Refusal.Refusal({ status: 413, message })

const checkLength = (
  body: Uint8Array,
  longest: number,
  setting: string
): Either.Either<void, Refusal.Refusal> => {
  const help = `https://www.consul.io/docs/agent/options.html#${setting}`
  return body.length <= longest
    ? Either.void
    : Either.left(
        tooLarge(`Request body(${body.length} bytes) too large, max size: ${longest} bytes. See ${help}.`)
      )
}

// -----------------------------------------------------------------------------
// /v1/kv/
// -----------------------------------------------------------------------------

const missingKey = Refusal.bad("Missing key name")

const kv: Endpoint = (call, context, path) =>
  Effect.gen(function* () {
    const key = yield* Settings.keyOf(context.settings(), path)
    const options = yield* Http.readOptions(call.query)
    if (RequestTarget.has(call.query, "ns")) {
      return yield* Refusal.bad(
        'Bad request: Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'
      )
    }
    switch (call.method) {
      case "PUT":
        return yield* write(call, context, key)
      case "DELETE":
        return yield* remove(call, context, key)
      default:
        return yield* RequestTarget.has(call.query, "keys")
          ? keys(call, context, key, options)
          : read(call, context, key, options)
    }
  })

type Reader = (
  call: Http.Call,
  context: Context,
  key: ByteString,
  options: Http.ReadOptions
) => ReturnType<Endpoint>

const one = (key: ByteString): Datacenter.Query<ReadonlyArray<Store.Entry>> => ({
  read: (state) => Store.get(state, key),
  wakes: ({ before, after, changes }) => Watch.wakesKey(key)(before.kv, after.kv, changes)
})

const all = (prefix: ByteString): Datacenter.Query<ReadonlyArray<Store.Entry>> => ({
  read: (state) => Store.list(state, prefix),
  wakes: ({ before, after, changes }) => Watch.wakesPrefix(prefix)(before.kv, after.kv, changes)
})

const read: Reader = (call, { rpc }, key, options) =>
  Effect.gen(function* () {
    const recurse = RequestTarget.has(call.query, "recurse")
    if (key === "" && !recurse) return yield* missingKey
    const answer = yield* rpc.read(call.query, options, recurse ? all(key) : one(key))
    const meta = Http.meta(answer.index, answer.knownLeader)
    const first = answer.value[0]
    if (first === undefined) return Http.empty(404, [Http.vary, ...meta])
    if (RequestTarget.has(call.query, "raw") && !recurse) {
      return { status: 200, headers: [...rawHeaders, Http.vary, ...meta], body: first.value }
    }
    return Http.json(call, answer.value.map(entryJson), meta)
  })

/** These headers keep a browser from running a stored value. */
const rawHeaders: Http.Headers = [
  ["Content-Type", "text/plain"],
  ["X-Content-Type-Options", "nosniff"],
  ["Content-Security-Policy", "sandbox"]
]

const keys: Reader = (call, { rpc }, prefix, options) =>
  Effect.gen(function* () {
    // Consul also accepts its own old misspelling.
    const spelling = RequestTarget.has(call.query, "separator") ? "separator" : "seperator"
    const separator = RequestTarget.get(call.query, spelling)
    const answer = yield* rpc.read(call.query, options, all(prefix))
    const meta = Http.meta(answer.index, answer.knownLeader)
    if (answer.value.length === 0 && prefix !== "") return Http.empty(404, [Http.vary, ...meta])
    const names = answer.value.map(({ key }) => upTo(key, prefix.length, separator))
    return Http.json(call, Array.from(new Set(names)), meta)
  })

/** The beginning of a key, up to the first separator after position `from`. */
const upTo = (key: ByteString, from: number, separator: ByteString): ByteString => {
  const at = separator === "" ? -1 : key.indexOf(separator, from)
  return at < 0 ? key : key.slice(0, at + separator.length)
}

/** Refuses a request with more than one of the parameters. Each of the parameters stands for a different kind of write. */
const conflict = (call: Http.Call, ...names: ReadonlyArray<string>): Either.Either<void, Refusal.Refusal> =>
  names.filter((name) => RequestTarget.has(call.query, name)).length < 2
    ? Either.void
    : Either.left(Refusal.bad(`Conflicting flags: ${RequestTarget.encodeQuery(call.query)}`))

/** The uint64 of a parameter, if the query has the parameter. Consul answers 500 to a malformed number. */
const number = (call: Http.Call, name: string): Either.Either<bigint | undefined, Refusal.Refusal> =>
  RequestTarget.has(call.query, name)
    ? Either.mapLeft(Http.uint64(RequestTarget.get(call.query, name)), Refusal.failed)
    : Either.right(undefined)

const write = (call: Http.Call, context: Context, key: ByteString) =>
  Effect.gen(function* () {
    if (key === "") return yield* missingKey
    yield* conflict(call, "cas", "acquire", "release")
    const flags = yield* number(call, "flags")
    const index = yield* number(call, "cas")
    yield* checkLength(call.body, context.settings().kvMaxValueSize, "kv_max_value_size")
    const given = { key, value: call.body, flags: flags ?? 0n }
    const parameter = (name: string) => RequestTarget.get(call.query, name)
    if (RequestTarget.has(call.query, "acquire")) {
      return yield* acquire(call, context, { _tag: "Lock", write: given, session: parameter("acquire") })
    }
    if (RequestTarget.has(call.query, "release")) {
      return yield* commit(call, context, { _tag: "Unlock", write: given, session: parameter("release") })
    }
    return yield* index === undefined
      ? commit(call, context, { _tag: "Set", write: given })
      : commit(call, context, { _tag: "Cas", write: given, index })
  })

const remove = (call: Http.Call, context: Context, key: ByteString) =>
  Effect.gen(function* () {
    yield* conflict(call, "recurse", "cas")
    if (RequestTarget.has(call.query, "recurse")) {
      return yield* commit(call, context, { _tag: "DeleteTree", prefix: key })
    }
    if (key === "") return yield* missingKey
    const index = yield* number(call, "cas")
    return yield* index === undefined
      ? commit(call, context, { _tag: "Delete", key })
      : commit(call, context, { _tag: "DeleteCas", key, index })
  })

const commit = (call: Http.Call, { rpc }: Context, command: Command.Command) =>
  Effect.map(rpc.write(call.query, command), (reply) => Http.json(call, reply._tag === "Done" && reply.done))

/** Acquires a lock. During a lock delay the leader refuses without a log entry. */
const acquire = (call: Http.Call, { rpc }: Context, command: Extract<Command.Command, { _tag: "Lock" }>) =>
  Effect.map(
    rpc.write(call.query, command, ({ state, timers }) =>
      Sessions.isDelayed(state(), command.write.key, timers.now())
        ? Either.left({ _tag: "Done", done: false })
        : Either.void
    ),
    (reply) => Http.json(call, reply._tag === "Done" && reply.done)
  )

// -----------------------------------------------------------------------------
// /v1/txn
// -----------------------------------------------------------------------------

const kvOperation = GoStruct.struct(
  "api.KVTxnOp",
  {
    Verb: GoStruct.string("api.KVOp"),
    Key: GoStruct.string(),
    Value: GoStruct.bytes,
    Flags: GoStruct.uint64,
    Index: GoStruct.uint64,
    Session: GoStruct.string(),
    Namespace: GoStruct.string()
  },
  { unknown: "refuse" }
)

const txnBody = GoStruct.array(
  GoStruct.struct(
    "api.TxnOp",
    {
      KV: GoStruct.optional(kvOperation),
      Node: GoStruct.any,
      Service: GoStruct.any,
      Check: GoStruct.any
    },
    { unknown: "refuse" }
  ),
  "api.TxnOps"
)

const txn: Endpoint = (call, context) =>
  Effect.gen(function* () {
    const { kvMaxValueSize, txnMaxReqLen } = context.settings()
    yield* checkLength(call.body, txnMaxReqLen, "txn_max_req_len")
    const given = yield* Either.mapLeft(Http.decode(call, txnBody), (problem) =>
      Refusal.bad(`Failed to parse body: ${problem}`)
    )
    const count = given?.length ?? 0
    if (count > mostOperations) {
      return yield* tooLarge(`Transaction contains too many operations (${count} > ${mostOperations})`)
    }
    const heavy = given?.find(({ KV }) => KV !== undefined && KV.Value.length > kvMaxValueSize)?.KV
    if (heavy !== undefined) {
      return yield* tooLarge(
        `Value for key ${quote(heavy.Key)} is too large (${heavy.Value.length} > ${kvMaxValueSize} bytes)`
      )
    }
    if (given?.some(({ KV, Node, Service, Check }) => KV === undefined && (Node ?? Service ?? Check))) {
      return yield* Refusal.failed("SimConsul: only KV operations in a transaction")
    }
    const operations = (given ?? []).flatMap(({ KV }): ReadonlyArray<Txn.Operation> => {
      if (KV === undefined) return []
      const { Flags, Index, Key, Session, Value, Verb } = KV
      return [{ verb: Verb, key: Key, value: Value, flags: Flags, index: Index, session: Session }]
    })
    return yield* operations.some(Txn.isWrite)
      ? writeTxn(call, context, operations)
      : readTxn(call, context, operations)
  })

const outcomeJson = (reply: Command.Reply): { readonly [field: string]: GoJson.Json } => ({
  Results: reply._tag === "Results" ? reply.results.map((entry) => ({ KV: entryJson(entry) })) : null,
  Errors:
    reply._tag === "Failures"
      ? reply.failures.map(({ opIndex, what }) => ({ OpIndex: opIndex, What: what }))
      : null
})

const statusOf = (reply: Command.Reply) => (reply._tag === "Failures" ? 409 : 200)

const precheck =
  (operations: ReadonlyArray<Txn.Operation>) =>
  ({ state, timers }: Datacenter.Datacenter): Either.Either<void, Command.Reply> => {
    const failures = Txn.check(state(), operations, timers.now())
    return failures.length === 0 ? Either.void : Either.left({ _tag: "Failures", failures })
  }

const writeTxn = (call: Http.Call, { rpc }: Context, operations: ReadonlyArray<Txn.Operation>) =>
  Effect.map(rpc.write(call.query, { _tag: "Txn", operations }, precheck(operations)), (reply) =>
    Http.json(call, outcomeJson(reply), [], statusOf(reply))
  )

/** Runs a transaction without a write: it makes no log entry, and its answer has more fields. */
const readTxn = (call: Http.Call, { rpc }: Context, operations: ReadonlyArray<Txn.Operation>) =>
  Effect.gen(function* () {
    const { consistency } = yield* Http.readOptions(call.query)
    const [reply, knownLeader] = yield* rpc.call(
      call.query,
      (datacenter) =>
        Effect.sync(() => {
          const draft = Store.draft(datacenter.state(), 0, datacenter.timers.now())
          const checked = precheck(operations)(datacenter)
          const reply = Either.isLeft(checked) ? checked.left : Txn.run(draft, operations)
          return [reply, datacenter.hasLeader()] as const
        }),
      consistency
    )
    const outcome = {
      ...outcomeJson(reply),
      Index: 0,
      LastContact: 0,
      KnownLeader: knownLeader,
      ConsistencyLevel: ""
    }
    return Http.json(call, outcome, Http.contact(knownLeader), statusOf(reply))
  })

export const routes: ReadonlyArray<Route> = [
  { methods: ["GET", "PUT", "DELETE"], path: "/v1/kv/", endpoint: kv },
  { methods: ["PUT"], path: "/v1/txn", endpoint: txn }
]
