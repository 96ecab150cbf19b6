/**
 * A source whose answers have no keys: there are none, the token may not read them, or the answers are wrong. Consul leaves out
 * of its answers what the token may not read, without a word.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ConsulError, isDenial, isRetryable } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import { Operation } from "../../Operation.js"
import { type Replication, sourceName, watched } from "../../Replication.js"
import type { CaughtUp } from "../../WatchEvent.js"
import { Watcher } from "../../Watcher.js"
import * as Monotonic from "../effect/Monotonic.js"
import { emit } from "../report/EventSink.js"
import { routeOf } from "../report/Route.js"
import * as Schedules from "../Schedules.js"
import { SourceUnreadable } from "./SourceUnreadable.js"

export interface EmptySource {
  /**
   * Emits `SourceEmpty` once when the source has become empty. Fails if the token may not read there. Returns the names that the
   * source lists although its answers had no keys: then the answers were wrong. Call it before a decision is made on what the
   * source lacks. Waits for the source as the watcher does.
   */
  readonly examine: (
    caughtUp: CaughtUp
  ) => Effect.Effect<ReadonlyArray<string>, ConsulError | SourceUnreadable>
  /** This instance does not lead any more. */
  readonly forget: Effect.Effect<void>
}

/** While the source stays empty, the rights of the token are asked for again no sooner than that. */
const askInterval = Duration.minutes(1)

/** The rights are a detail of a warning: an agent that does not answer soon is not waited for. */
const mostRetries = 3

/**
 * The name that stands for the empty prefix, which no transaction takes: every Consul takes it, and hardly any rule is about
 * it alone.
 */
const anyName = "-"

/** Whether the token may read under the prefix. */
type Rights =
  | { readonly _tag: "Readable" }
  | { readonly _tag: "Unreadable"; readonly reason: string }
  | { readonly _tag: "Unknown" }

/** What the failure of a `check-index` tells. An agent that takes no transactions tells nothing. */
const rightsBy = (error: ConsulError): Rights => {
  if (error._tag !== "Conflict") return { _tag: "Unknown" }
  const denial = error.failures.find(({ reason }) => isDenial(reason))
  return denial === undefined ? { _tag: "Readable" } : { _tag: "Unreadable", reason: denial.reason }
}

export const make = Effect.fnUntraced(function* (
  replication: Replication
): Effect.fn.Return<EmptySource, never, ConsulHttp | Watcher> {
  const { prefix } = replication
  const consul = (yield* ConsulHttp).at(watched(replication).source)
  const watcher = yield* Watcher
  let isKnown = false
  /** ms, monotonic. */
  let askedAt = 0

  /**
   * Consul (1.8.7) refuses `check-index` of a key that the token may not read, whether or not there is such a key. Without a
   * right, `get` of a key that is not there answers that it does not exist, and `get-tree` answers nothing.
   */
  const rights = consul
    .transaction([Operation.CheckIndex({ key: prefix === "" ? anyName : prefix, index: 0 })])
    .pipe(
      Effect.retry({
        schedule: Schedule.intersect(Schedules.reconnect, Schedule.recurs(mostRetries)),
        while: isRetryable
      }),
      Effect.match({ onFailure: rightsBy, onSuccess: (): Rights => ({ _tag: "Readable" }) })
    )

  const ask = Effect.fn("EmptySource.ask")(function* () {
    // An answer without keys may be wrong. The names of all keys are never stale.
    const names = yield* watcher.names(watched(replication))
    if (names.length > 0) return names
    const now = yield* Monotonic.now
    if (isKnown && now - askedAt < Duration.toMillis(askInterval)) return names
    const answer = yield* rights
    askedAt = now
    if (answer._tag === "Unreadable") {
      isKnown = false
      return yield* new SourceUnreadable({
        source: sourceName(replication),
        place:
          replication.sourceAgent.address === undefined
            ? `datacenter ${replication.source}`
            : sourceName(replication),
        prefix,
        reason: answer.reason,
        isAnonymous: consul.endpoint.token === undefined
      })
    }
    if (isKnown) return names
    isKnown = true
    yield* emit({
      _tag: "SourceEmpty",
      replication: routeOf(replication),
      isReadable: answer._tag === "Readable"
    })
    return names
  })

  const forget = Effect.sync(() => {
    isKnown = false
  })

  const examine: EmptySource["examine"] = ({ names }) => (names.length === 0 ? ask() : Effect.as(forget, []))

  return { examine, forget }
})
