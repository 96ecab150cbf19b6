/**
 * Takes over the status key from the instance that wrote it: ends the session of that instance if both have the same lock, and
 * fails if that instance holds another lock.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Checkpoint from "../../Checkpoint.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import type { KeyValue } from "../../KeyValue.js"
import type { Leadership } from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import * as WatchedKey from "../consul/WatchedKey.js"
import { isOfLock } from "../lock/LockSession.js"
import { emit } from "../report/EventSink.js"
import { routeOf } from "../report/Route.js"
import * as Trouble from "../report/Trouble.js"

/**
 * The status key belongs to an instance that holds another lock. If two leaders shared a status key, each would end the session
 * of the other.
 */
export class StatusInUse extends Data.TaggedError("StatusInUse")<{
  /** The status key. */
  readonly key: string
  /** The name of the other instance. */
  readonly instance: string
  /** The key of its lock. */
  readonly lock: string
  /** The session that holds the lock. */
  readonly session: string
  /** The route of its replication; none if that is the route of this replication. */
  readonly replication: Option.Option<string>
}> {
  override get message() {
    return Option.match(this.replication, {
      onNone: () =>
        `${this.instance}, an instance of this replication, holds another lock, ${this.lock}: all of them need the same lock; waiting until it stops`,
      onSome: (replication) =>
        `the status key ${this.key} is that of ${this.instance}, which holds the lock ${this.lock} for ${replication}: a status serves one replication; waiting until it stops`
    })
  }
}

const holds = (entry: Option.Option<KeyValue>, session: string): boolean =>
  Option.exists(entry, (lock) => lock.session === session)

/**
 * The entry of a lock. Its reads are tried until they succeed. A token may never allow that: each failure is reported as
 * trouble.
 */
const lockOf = Effect.fnUntraced(function* (lock: string) {
  const trouble = yield* Trouble.make({ _tag: "StatusOwner", lock })
  return WatchedKey.make(yield* ConsulHttp, lock, Trouble.watching(trouble))
})

/** Fails if the instance that wrote the status holds another lock. */
const failIfInUse = Effect.fnUntraced(function* (
  status: Checkpoint.Status,
  leader: Pick<Leadership, "fence">,
  replication: Replication.Replication
) {
  const { status: key } = replication
  const { Instance: instance, Lock: lock = leader.fence.lock, Session: session } = status
  if (lock === leader.fence.lock) return
  const entry = yield* Effect.scoped(Effect.flatMap(lockOf(lock), ({ read }) => read))
  if (!holds(entry, session)) return
  const theirs = Checkpoint.routeOf(status)
  const isOurs = Checkpoint.isAbout(status, replication)
  return yield* new StatusInUse({
    key,
    instance,
    lock,
    session,
    replication: isOurs ? Option.none() : Option.some(Replication.route(theirs))
  })
})

/**
 * Ends the session of the instance that wrote the status. Mostly the session has ended long ago. It has not if the lock was
 * deleted while the session held it: then large values of that instance could still land.
 */
const endSession = Effect.fnUntraced(function* (
  { Lock, Session: id }: Checkpoint.Status,
  { fence, service }: Pick<Leadership, "fence" | "service">,
  replication: Replication.Replication
) {
  const { session } = yield* ConsulHttp
  const lock = Lock ?? fence.lock
  const { value: former } = yield* session.info(id, { consistency: "consistent" })
  if (Option.isNone(former)) return
  if (isOfLock(former.value, service, lock)) return yield* session.destroy(id)
  yield* emit({
    _tag: "SessionLeftAlone",
    replication: routeOf(replication),
    lock,
    service,
    session: id,
    name: former.value.name
  })
})

/**
 * Takes over from the instance that wrote the status, if that is not this leader, and ends its session. Fails with `StatusInUse`
 * while that instance holds another lock.
 */
export const takeOver = Effect.fn("StatusOwner.takeOver")(function* (
  status: Checkpoint.Status,
  leader: Pick<Leadership, "fence" | "service">,
  replication: Replication.Replication
) {
  if (status.Session === leader.fence.session) return
  yield* failIfInUse(status, leader, replication)
  // A leader leads also if its token may not end that session.
  yield* Effect.catchTag(endSession(status, leader, replication), "Denied", ({ _tag, message }) =>
    emit({ _tag: "RequestFailed", purpose: "predecessor", cause: _tag, message })
  )
})

/** Waits until the other instance does not hold its lock any more: then the status key is free. */
export const awaitFree = Effect.fn("StatusOwner.awaitFree")(function* (error: StatusInUse) {
  const lock = yield* lockOf(error.lock)
  yield* lock.awaitUntil((entry) => !holds(entry, error.session))
}, Effect.scoped)
