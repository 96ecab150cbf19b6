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
import * as OutageLog from "../report/OutageLog.js"

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

/**
 * Its lock. It is waited for until it can be read, which a token may never allow: so that is said, by the check of the
 * service too. `readable` is done when it could be read.
 */
const lockOf = Effect.fnUntraced(function* (
  lock: string,
  leader: Pick<Leadership, "report">,
  readable: Effect.Effect<void>
) {
  const consul = yield* ConsulHttp
  const condition = yield* OutageLog.make(`the lock ${lock} can be read`)
  const trouble = `cannot read the lock ${lock}, whose holder wrote the status`
  return WatchedKey.make(consul, lock, (request) =>
    request.pipe(
      Effect.tapBoth({
        onFailure: ({ message }) => leader.report({ status: "warning", output: `${trouble}: ${message}` }),
        onSuccess: () => readable
      }),
      OutageLog.logOutages(condition, trouble)
    )
  )
})

/** Fails where it writes on, by another lock. */
const failIfInUse = Effect.fnUntraced(function* (
  status: Checkpoint.Status,
  leader: Pick<Leadership, "fence" | "report">,
  replication: Replication.Replication
) {
  const { status: key } = replication
  const { Instance: instance, Lock: lock = leader.fence.lock, Session: session } = status
  if (lock === leader.fence.lock) return
  const held = yield* Effect.scoped(Effect.flatMap(lockOf(lock, leader, Effect.void), ({ read: now }) => now))
  if (!holds(held, session)) return
  const theirs = {
    source: status.Source,
    prefix: status.Prefix,
    destinationPrefix: status.DestinationPrefix
  }
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
  { fence, service }: Pick<Leadership, "fence" | "service">
) {
  const { session } = yield* ConsulHttp
  const lock = Lock ?? fence.lock
  const found = (yield* session.info(id, { consistency: "consistent" })).value
  if (Option.isNone(found)) return
  if (isOfLock(found.value, service, lock)) return yield* session.destroy(id)
  yield* Effect.logWarning(
    `the status names the session ${id} of ${JSON.stringify(found.value.name)}, which is no instance of ${JSON.stringify(service)} for the lock ${lock}: it is left alone`
  )
})

/**
 * Takes the place of whoever wrote the status, if that is somebody else, and ends its session; fails while it holds
 * another lock.
 */
export const takeOver = Effect.fn("Predecessor.supersede")(function* (
  status: Checkpoint.Status,
  leader: Pick<Leadership, "fence" | "report" | "service">,
  replication: Replication.Replication
) {
  if (status.Session === leader.fence.session) return
  yield* failIfInUse(status, leader, replication)
  // A token that may not end it is no reason not to lead.
  yield* Effect.catchTag(endSession(status, leader), "Denied", ({ message }) => Effect.logDebug(message))
})

/**
 * Waits until the status key is free again.
 */
export const awaitFree = Effect.fn("Predecessor.whileInUse")(function* (
  error: StatusInUse,
  leader: Pick<Leadership, "report">
) {
  const inUse = leader.report({ status: "warning", output: error.message })
  const lock = yield* lockOf(error.lock, leader, inUse)
  yield* lock.awaitUntil((entry) => !holds(entry, error.session))
}, Effect.scoped)
