/** Transactions, and their answers. */
import * as Effect from "effect/Effect"
import { Conflict, type ConsulError, Denied } from "../../ConsulError.js"
import { encode, type Operation } from "../../Operation.js"
import type { Consul } from "./Consul.js"
import type { Tenancy } from "./Endpoint.js"
import { checkResults, decodeResults } from "./EntryJson.js"
import * as Refusals from "./Refusals.js"
import { fromEither, type Send, unexpected } from "./Request.js"

export const notAskedFor = (key: string): string => `the key ${JSON.stringify(key)} was not asked for`

/**
 * Whether a transaction of one write was committed. Its failure is a conflict also if a PUT of the same write would be answered
 * with `false`, 500 or 403: then this returns false, or fails as the PUT would.
 */
export const succeeds = <A>(effect: Effect.Effect<A, ConsulError>): Effect.Effect<boolean, ConsulError> =>
  effect.pipe(
    Effect.as(true),
    Effect.catchTag("Conflict", (error): Effect.Effect<boolean, ConsulError> => {
      const [reason = ""] = error.failures.map(({ reason }) => reason)
      if (Refusals.isDenial(reason)) return new Denied({ request: error.request, reason })
      return Refusals.isInvalidSession(reason) ? error : Effect.succeed(false)
    })
  )

/** The body of a transaction. */
export const encodeAll = (operations: ReadonlyArray<Operation>, tenancy: Tenancy): string =>
  `[${operations.map((operation) => encode(operation, tenancy)).join(",")}]`

/** The conflict with the keys of its operations. */
const named = ({ failures, request }: Conflict, operations: ReadonlyArray<Operation>): Conflict =>
  new Conflict({
    request,
    failures: failures.map((failure) => ({ ...failure, key: operations[failure.operation]?.key }))
  })

/**
 * Without a span, unlike the other members: the spans of the transactions that write 100,000 keys took 0.3 of the 3.6 s of CPU
 * of a first copy. Callers that send many transactions have one span for all.
 */
export const transaction = (send: Send): Consul["transaction"] =>
  Effect.fnUntraced(function* (operations, { results = true } = {}) {
    const received = yield* Effect.mapError(
      send({ method: "PUT", path: "/v1/txn", body: encodeAll(operations, send.endpoint) }),
      (error) => (error._tag === "Conflict" ? named(error, operations) : error)
    )
    if (!results) return yield* fromEither(received, checkResults(received.text))
    const entries = yield* fromEither(received, decodeResults(received.text))
    const other = entries.find(({ key }) => !operations.some((operation) => isOn(operation, key)))
    return other === undefined ? entries : yield* unexpected(received, notAskedFor(other.key))
  })

/** Whether an operation can answer with this key. */
const isOn = (operation: Operation, key: string): boolean =>
  operation._tag === "GetTree" ? key.startsWith(operation.key) : key === operation.key
