/**
 * A source that shows no keys: there are none, or the token may not read them. Consul leaves out of its answers what the
 * token may not read, without a word.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ConsulError, isDenial, isRetryable } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import * as KeyRange from "../../KeyRange.js"
import { Operation } from "../../Operation.js"
import { type Replication, watched } from "../../Replication.js"
import type { CaughtUp } from "../../WatchEvent.js"
import { Watcher } from "../../Watcher.js"
import * as Monotonic from "../effect/Monotonic.js"
import { emit } from "../report/EventSink.js"
import { routeOf } from "../report/Route.js"
import * as Schedules from "../Schedules.js"
import type { Seen } from "./Compared.js"
import { SourceUnreadable } from "./SourceUnreadable.js"

export interface EmptySource {
  /**
   * Emits `SourceEmpty` once when the source has become empty. Fails if the token may not read there. Call it with everything that
   * is believed of the source, before a decision is made on that. Waits for the source as the watcher does.
   */
  readonly examine: (believed: Seen | CaughtUp) => Effect.Effect<void, ConsulError | SourceUnreadable>
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

/** Whether a report about the whole prefix has no keys; undefined if it is about a part. */
export const showsNothing = (whole: KeyRange.KeyRange, report: Seen | CaughtUp): boolean | undefined => {
  if (report._tag === "CaughtUp") return report.names.length === 0
  const { entries, malformed, range, invalidUtf8Keys } = report
  return KeyRange.equals(range, whole)
    ? entries.length + malformed.length + invalidUtf8Keys.length === 0
    : undefined
}

export const make = Effect.fnUntraced(function* (
  replication: Replication
): Effect.fn.Return<EmptySource, never, ConsulHttp | Watcher> {
  const { prefix, source } = replication
  const consul = (yield* ConsulHttp).at(watched(replication).source)
  const watcher = yield* Watcher
  const whole = KeyRange.under(prefix)
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

  const ask = Effect.fn("EmptySource.ask")(function* (isCertain: boolean) {
    const now = yield* Monotonic.now
    if (isKnown && now - askedAt < Duration.toMillis(askInterval)) return
    if (!isCertain && (yield* watcher.names(watched(replication))).length > 0) return
    const answer = yield* rights
    askedAt = now
    if (answer._tag === "Unreadable") {
      isKnown = false
      return yield* new SourceUnreadable({
        datacenter: source,
        prefix,
        reason: answer.reason,
        isAnonymous: consul.endpoint.token === undefined
      })
    }
    if (isKnown) return
    isKnown = true
    yield* emit({
      _tag: "SourceEmpty",
      replication: routeOf(replication),
      isReadable: answer._tag === "Readable"
    })
  })

  const forget = Effect.sync(() => {
    isKnown = false
  })

  const examine: EmptySource["examine"] = (believed) =>
    Effect.suspend(() => {
      const isEmpty = showsNothing(whole, believed)
      if (isEmpty === undefined) return Effect.void
      // The names of all keys are never stale.
      return isEmpty ? ask(believed._tag === "CaughtUp") : forget
    })

  return { examine, forget }
})
