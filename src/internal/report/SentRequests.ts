/**
 * Events of write requests: one for each transaction, and one for each large value, which has a PUT of its own. An event is made
 * only if a consumer wants it. It names keys, and has no values.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Operation } from "../../Operation.js"
import type { Route, SentOperation, TransactionSent } from "../event/ReplicationEvent.js"
import { emit, type Happening, wantsRequests } from "./EventSink.js"

const kindOf = ({ _tag }: Operation): SentOperation["kind"] => {
  switch (_tag) {
    case "Delete":
    case "DeleteCas":
      return "delete"
    case "Get":
    case "GetTree":
    case "CheckIndex":
    case "CheckSession":
      return "check"
    default:
      return "write"
  }
}

interface Failure {
  readonly _tag: string
  readonly message: string
}

type Ending = Pick<TransactionSent, "cause" | "message" | "outcome">

const endingOf = <A, E extends Failure>(exit: Exit.Exit<A, E>): Ending =>
  Exit.match(exit, {
    onSuccess: () => ({ outcome: "Landed" }),
    onFailure: (cause) =>
      Option.match(Cause.failureOption(cause), {
        onNone: () => ({ outcome: "Interrupted" }),
        onSome: ({ _tag, message }) => ({ outcome: "Failed", cause: _tag, message })
      })
  })

/** Runs a request, and emits how it ended if a consumer wants that. */
const emitting =
  (event: (ending: Ending & { readonly duration: number }) => Happening) =>
  <A, E extends Failure, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiberRuntime((fiber) =>
      wantsRequests(fiber)
        ? Effect.flatMap(Effect.timed(Effect.exit(request)), ([took, exit]) =>
            Effect.zipRight(emit(event({ ...endingOf(exit), duration: Duration.toMillis(took) })), exit)
          )
        : request
    )

export const ofTransaction = (
  replication: Route,
  operations: ReadonlyArray<Operation>,
  bytes: (operations: ReadonlyArray<Operation>) => number
) =>
  emitting((ending) => ({
    _tag: "TransactionSent",
    replication,
    operations: operations.map((operation) => ({ kind: kindOf(operation), key: operation.key })),
    bytes: bytes(operations),
    ...ending
  }))

/** `bytes` is the size of the value. */
export const ofPut = (replication: Route, key: string, bytes: number) =>
  emitting((ending) => ({ _tag: "LargeValueSent", replication, key, bytes, ...ending }))
