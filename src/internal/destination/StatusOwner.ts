/**
 * Whoever wrote the status before: ended where that led by the same lock, left alone where it holds another.
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
 * The status key is that of an instance which holds another lock: two leaders that share it would each take the other
 * for one that must not write any more. `replication` is what that instance replicates, where it is something else.
 */
export class StatusInUse extends Data.TaggedError("StatusInUse")<{
  readonly key: string
  readonly instance: string
  readonly lock: string
  readonly session: string
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
  Option.exists(entry, (held) => held.session === session)

/** Its lock. A read is tried until it succeeds, which a token may never allow: so a failure is reported as trouble. */
const lockOf = Effect.fnUntraced(function* (lock: string) {
  const trouble = yield* Trouble.make({ _tag: "StatusOwner", lock })
  return WatchedKey.make(yield* ConsulHttp, lock, Trouble.watching(trouble))
})

/** Fails where it writes on, by another lock. */
const failIfInUse = Effect.fnUntraced(function* (
  status: Checkpoint.Status,
  leader: Pick<Leadership, "fence">,
  replication: Replication.Replication
) {
  const { status: key } = replication
  const { Instance: instance, Lock: lock = leader.fence.lock, Session: session } = status
  if (lock === leader.fence.lock) return
  const held = yield* Effect.scoped(Effect.flatMap(lockOf(lock), ({ read: now }) => now))
  if (!holds(held, session)) return
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
 * Ends the session of the instance that wrote the status. Normally it ended long ago. It lives on where somebody deleted
 * the lock under it, and then its large values could still land.
 */
const endSession = Effect.fnUntraced(function* (
  { Lock, Session: id }: Checkpoint.Status,
  { fence, service }: Pick<Leadership, "fence" | "service">,
  replication: Replication.Replication
) {
  const { session } = yield* ConsulHttp
  const lock = Lock ?? fence.lock
  const found = (yield* session.info(id, { consistency: "consistent" })).value
  if (Option.isNone(found)) return
  if (isOfLock(found.value, service, lock)) return yield* session.destroy(id)
  yield* emit({
    _tag: "SessionLeftAlone",
    replication: routeOf(replication),
    lock,
    service,
    session: id,
    name: found.value.name
  })
})

/**
 * Takes the place of whoever wrote the status, if that is somebody else, and ends its session; fails while it holds
 * another lock.
 */
export const takeOver = Effect.fn("Predecessor.supersede")(function* (
  status: Checkpoint.Status,
  leader: Pick<Leadership, "fence" | "service">,
  replication: Replication.Replication
) {
  if (status.Session === leader.fence.session) return
  yield* failIfInUse(status, leader, replication)
  // A token that may not end it is no reason not to lead.
  yield* Effect.catchTag(endSession(status, leader, replication), "Denied", ({ _tag, message }) =>
    emit({ _tag: "RequestFailed", purpose: "predecessor", cause: _tag, message })
  )
})

/**
 * Waits until the status key is free again.
 */
export const awaitFree = Effect.fn("Predecessor.whileInUse")(function* (error: StatusInUse) {
  const lock = yield* lockOf(error.lock)
  yield* lock.awaitUntil((entry) => !holds(entry, error.session))
}, Effect.scoped)
