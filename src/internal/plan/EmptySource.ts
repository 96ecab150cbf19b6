/**
 * Examines a source whose answers have no keys: it has none, the token may not read them, or the answers are wrong. Consul leaves
 * keys that the token may not read out of its answers, without an error.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ConsulError, isDenial, isRetryable } from "../../ConsulError.js"
import { type Consul, ConsulHttp } from "../../ConsulHttp.js"
import { Operation } from "../../Operation.js"
import { type Replication, sourceName, watched } from "../../Replication.js"
import { Watcher } from "../../Watcher.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import * as Monotonic from "../effect/Monotonic.js"
import { emit } from "../report/EventSink.js"
import { routeOf } from "../report/Route.js"
import type { CaughtUp } from "../source/WatchEvent.js"
import { SourceUnreadable } from "./SourceUnreadable.js"

export interface EmptySource {
  /**
   * Emits `SourceEmpty` once when the source has become empty. Fails if the token may not read there. Returns the names that the
   * source lists although its answers had no keys: then the answers were wrong. Call it before a decision on keys that the source
   * lacks. Waits for the source as the watcher does.
   */
  readonly examine: (
    caughtUp: CaughtUp
  ) => Effect.Effect<ReadonlyArray<string>, ConsulError | SourceUnreadable>
  /** Forgets that the source is empty: this instance does not lead any more. */
  readonly forget: Effect.Effect<void>
}

/** The least time between two questions for the rights of the token, while the source stays empty. */
const askInterval = Duration.minutes(1)

/** The most retries of the question for rights. They are a detail of a warning, which must not wait for an agent for long. */
const mostRetries = 3

/**
 * The name in place of the empty prefix, which no transaction accepts. Every Consul accepts this name, and hardly any rule is
 * about it alone.
 */
const anyName = "-"

/** Whether the token may read under the prefix. */
type Rights =
  | { readonly _tag: "Readable" }
  | { readonly _tag: "Unreadable"; readonly reason: string }
  | { readonly _tag: "Unknown" }

/** The rights that the failure of a `check-index` shows. The answer of an agent that refuses all transactions shows none. */
const rightsBy = (error: ConsulError): Rights => {
  if (error._tag !== "Conflict") return { _tag: "Unknown" }
  const denial = error.failures.find(({ reason }) => isDenial(reason))
  return denial === undefined ? { _tag: "Readable" } : { _tag: "Unreadable", reason: denial.reason }
}

/** The services and the state of one replication. */
interface State {
  readonly replication: Replication
  /** Sends to the source. */
  readonly consul: Consul
  readonly watcher: Watcher["Type"]
  /** Whether `SourceEmpty` was emitted, and the source has had no keys since then. */
  isEmitted: boolean
  /** When the rights were last asked for: ms, monotonic. */
  askedAt: number
}

/**
 * Asks for the rights of the token. Consul (1.8.7) refuses `check-index` of a key that the token may not read, whether the key
 * exists or not. It does not refuse `get` and `get-tree`: `get` answers that a missing key does not exist, and `get-tree` answers
 * nothing.
 */
const askRights = ({ consul, replication: { prefix } }: State): Effect.Effect<Rights> =>
  consul.transaction([Operation.CheckIndex({ key: prefix === "" ? anyName : prefix, index: 0 })]).pipe(
    Effect.retry({
      schedule: Schedule.intersect(RequestTimes.reconnect, Schedule.recurs(mostRetries)),
      while: isRetryable
    }),
    Effect.match({ onFailure: rightsBy, onSuccess: (): Rights => ({ _tag: "Readable" }) })
  )

const unreadable = ({ consul, replication }: State, reason: string): SourceUnreadable =>
  new SourceUnreadable({
    source: sourceName(replication),
    place:
      replication.sourceAgent.address === undefined
        ? `datacenter ${replication.source}`
        : sourceName(replication),
    prefix: replication.prefix,
    reason,
    isAnonymous: consul.endpoint.token === undefined
  })

const ask = Effect.fn("EmptySource.ask")(function* (
  state: State
): Effect.fn.Return<ReadonlyArray<string>, ConsulError | SourceUnreadable> {
  const { replication, watcher } = state
  // An answer without keys may be wrong. This listing is a consistent read.
  const names = yield* watcher.names(watched(replication))
  if (names.length > 0) return names
  const now = yield* Monotonic.now
  if (state.isEmitted && now - state.askedAt < Duration.toMillis(askInterval)) return names
  const rights = yield* askRights(state)
  state.askedAt = now
  if (rights._tag === "Unreadable") {
    state.isEmitted = false
    return yield* unreadable(state, rights.reason)
  }
  if (state.isEmitted) return names
  state.isEmitted = true
  yield* emit({
    _tag: "SourceEmpty",
    replication: routeOf(replication),
    isReadable: rights._tag === "Readable"
  })
  return names
})

export const make = Effect.fnUntraced(function* (
  replication: Replication
): Effect.fn.Return<EmptySource, never, ConsulHttp | Watcher> {
  const state: State = {
    replication,
    consul: (yield* ConsulHttp).at(watched(replication).source),
    watcher: yield* Watcher,
    isEmitted: false,
    askedAt: 0
  }
  const forget = Effect.sync(() => {
    state.isEmitted = false
  })
  return {
    examine: ({ names }) => (names.length === 0 ? ask(state) : Effect.as(forget, [])),
    forget
  }
})
