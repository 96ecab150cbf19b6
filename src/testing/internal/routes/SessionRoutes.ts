/**
 * `/v1/session/…`.
 */
import * as Array from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as GoDuration from "../../../internal/consul/GoDuration.js"
import type * as Datacenter from "../cluster/Datacenter.js"
import type { Rpc } from "../cluster/Rpc.js"
import * as Sessions from "../cluster/Sessions.js"
import * as Store from "../cluster/Store.js"
import type { ByteString } from "../go/ByteString.js"
import type * as GoJson from "../go/GoJson.js"
import type { Parsed } from "../go/GoJsonReader.js"
import * as GoStruct from "../go/GoStruct.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Uuid from "../go/Uuid.js"
import * as Http from "../http/Http.js"
import * as Refusal from "../http/Refusal.js"
import type { Endpoint, Route } from "../http/Route.js"

const second = 1_000_000_000n

const body = GoStruct.struct(
  "struct { LockDelay interface {}; *structs.Alias }",
  {
    LockDelay: GoStruct.any,
    ID: GoStruct.string(),
    Name: GoStruct.string(),
    Node: GoStruct.string(),
    Behavior: GoStruct.string("structs.SessionBehavior"),
    TTL: GoStruct.string(),
    NodeChecks: GoStruct.array(GoStruct.string()),
    ServiceChecks: GoStruct.array(
      GoStruct.struct(
        "structs.ServiceCheck",
        { ID: GoStruct.string(), Namespace: GoStruct.string() },
        { unknown: "ignore" }
      )
    ),
    Checks: GoStruct.array(GoStruct.string("types.CheckID"))
  },
  { display: "", unknown: "ignore" }
)

/** The checks of a session if the request names none. */
const serf: ReadonlyArray<ByteString> = ["serfHealth"]
/** The fields of a session that the request does not give, except the node. */
const defaults: GoStruct.Value<typeof body> = {
  ...body.zero,
  Behavior: "release",
  NodeChecks: serf,
  Checks: serf
}

/** A lock delay in nanoseconds. Default 15 s. Consul reads a number below 1,000 as seconds. */
const lockDelay = (given: Parsed | undefined): Either.Either<bigint, ByteString> => {
  const scaled = (nanoseconds: bigint) =>
    nanoseconds < 1000n ? BigInt.asIntN(64, nanoseconds * second) : nanoseconds
  switch (given?.kind) {
    case undefined:
      return Either.right(15n * second)
    case "string":
      return Either.map(GoDuration.parse(given.value), scaled)
    case "number":
      return Either.right(scaled(BigInt(Math.trunc(Number(given.digits)))))
    default:
      return Either.right(0n)
  }
}

/** The checks of a session. An empty list of one kind removes the defaults of both kinds. */
const checks = ({ Checks = [], NodeChecks = [] }: GoStruct.Value<typeof body>) => {
  if (Checks.length === 0) return { checks: [], nodeChecks: [] }
  if (NodeChecks.length === 0) return { checks: [], nodeChecks: [] }
  return { checks: Checks.length === 1 && Checks[0] === serf[0] ? [] : Checks, nodeChecks: NodeChecks }
}

const create: Endpoint = (call, { agent, makeId, rpc }) =>
  Effect.gen(function* () {
    const refuse = (problem: ByteString) => Refusal.bad(`Request decode failed: ${problem}`)
    const initial = { ...defaults, Node: agent.name }
    const given =
      call.body.length === 0
        ? initial
        : yield* Either.mapLeft(Http.decode(call, GoStruct.withDefault(body, initial)), refuse)
    const delay = yield* Either.mapLeft(lockDelay(given.LockDelay), refuse)
    const id = yield* makeId
    const { Behavior, Name, Node, ServiceChecks, TTL } = given
    yield* rpc.call(call.query, (datacenter) => {
      const ttlMin = BigInt(Duration.toMillis(datacenter.settings().sessionTtlMin)) * 1_000_000n
      const session = { node: Node, behavior: Behavior, ttl: TTL }
      return Either.mapLeft(Sessions.validate(session, ttlMin), Refusal.failed)
    })
    yield* rpc.write(call.query, {
      _tag: "SessionCreate",
      session: {
        id,
        name: Name,
        node: Node,
        lockDelay: delay,
        behavior: Behavior === "delete" ? "delete" : "release",
        ttl: TTL,
        serviceChecks: ServiceChecks?.map(({ ID, Namespace }) => ({ id: ID, namespace: Namespace })),
        ...checks(given)
      }
    })
    return Http.json(call, { ID: id })
  })

const sessionJson = (session: Store.Session): GoJson.Json => ({
  ID: session.id,
  Name: session.name,
  Node: session.node,
  LockDelay: session.lockDelay,
  Behavior: session.behavior,
  TTL: session.ttl,
  NodeChecks: session.nodeChecks,
  ServiceChecks:
    session.serviceChecks?.map(({ id, namespace }) => ({ ID: id, Namespace: namespace })) ?? null,
  ...(session.checks.length === 0 ? {} : { Checks: session.checks }),
  CreateIndex: session.createIndex,
  ModifyIndex: session.modifyIndex
})

const missing = Refusal.bad("Missing session")

const destroy: Endpoint = (call, { rpc }, id) =>
  id === ""
    ? missing
    : Effect.map(rpc.write(call.query, { _tag: "SessionDestroy", id }), () => Http.json(call, true))

const renew: Endpoint = (call, { rpc }, id) =>
  Effect.gen(function* () {
    yield* Http.readOptions(call.query)
    if (id === "") return yield* missing
    const session = yield* rpc.call(call.query, (datacenter) =>
      Effect.tap(Either.mapLeft(Sessions.find(datacenter.state(), id), Refusal.failed), (session) =>
        Effect.sync(() => (session === undefined ? undefined : datacenter.renew(session)))
      )
    )
    if (session === undefined) {
      return yield* new Refusal.Refusal({ status: 404, message: `Session id '${id}' not found` })
    }
    return Http.json(call, [sessionJson(session)])
  })

// -----------------------------------------------------------------------------
// Reads
// -----------------------------------------------------------------------------

/** Answers a read of sessions. The index of the answer is that of the whole table. */
const respond = (
  call: Http.Call,
  rpc: Rpc,
  options: Http.ReadOptions,
  find: (state: Store.State) => ReadonlyArray<Store.Session>,
  wakes: (commit: Datacenter.Commit) => boolean
): ReturnType<Endpoint> =>
  Effect.map(
    rpc.read(call.query, options, {
      read: (state) => ({ index: Store.indexOf(state, "sessions"), value: find(state) }),
      wakes: (commit) => commit.before.sessions !== commit.after.sessions && wakes(commit)
    }),
    ({ index, knownLeader, value }) => Http.json(call, value.map(sessionJson), Http.meta(index, knownLeader))
  )

const list: Endpoint = (call, { rpc }) =>
  Effect.gen(function* () {
    const options = yield* Http.readOptions(call.query)
    return yield* respond(
      call,
      rpc,
      options,
      ({ sessions }) => OrderedMap.values(sessions),
      () => true
    )
  }).pipe(Http.withMetaOnFailure)

const ofNode: Endpoint = (call, { rpc }, node) =>
  Effect.gen(function* () {
    const options = yield* Http.readOptions(call.query)
    if (node === "") return yield* Refusal.bad("Missing node name")
    return yield* respond(
      call,
      rpc,
      options,
      (state) => Sessions.ofNode(state, node),
      ({ before, after }) => Sessions.ofNode(before, node).length !== Sessions.ofNode(after, node).length
    )
  }).pipe(Http.withMetaOnFailure)

const info: Endpoint = (call, { rpc }, id) =>
  Effect.gen(function* () {
    const options = yield* Http.readOptions(call.query)
    if (id === "") return yield* missing
    const canonical = Uuid.canonical(id)
    const one = (state: Store.State) => OrderedMap.get(state.sessions, canonical)
    const validate = Either.mapLeft(Sessions.find(Store.empty, id), Refusal.failed)
    yield* rpc.call(call.query, () => validate, options.consistency)
    return yield* respond(
      call,
      rpc,
      options,
      (state) => Array.fromNullable(one(state)),
      ({ after, before }) => one(before) === undefined || one(after) === undefined
    )
  }).pipe(Http.withMetaOnFailure)

export const routes: ReadonlyArray<Route> = [
  { methods: ["PUT"], path: "/v1/session/create", endpoint: create },
  { methods: ["PUT"], path: "/v1/session/destroy/", endpoint: destroy },
  { methods: ["PUT"], path: "/v1/session/renew/", endpoint: renew },
  { methods: ["GET"], path: "/v1/session/list", endpoint: list },
  { methods: ["GET"], path: "/v1/session/node/", endpoint: ofNode },
  { methods: ["GET"], path: "/v1/session/info/", endpoint: info }
]
