/**
 * The destination as its leader knows it, and the one way to change it: a pass, which makes it equal to a snapshot of
 * the source. What looks wrong in a snapshot is confirmed first, and deletes past their limit are held back.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Checkpoint } from "./Checkpoint.js"
import type { ConsulError } from "./ConsulError.js"
import { ConsulHttp } from "./ConsulHttp.js"
import * as DeleteLimit from "./DeleteLimit.js"
import * as Diff from "./Diff.js"
import * as Condition from "./internal/Condition.js"
import * as Notices from "./internal/Notices.js"
import { type Leadership, passing } from "./LeaderLock.js"
import type { Mapping } from "./Mapping.js"
import type { Replication } from "./Replication.js"
import * as Schedules from "./Schedules.js"
import { type Snapshot, Watcher } from "./Watcher.js"
import * as Writer from "./Writer.js"

/**
 * @since 0.2.0
 * @category models
 */
export interface Replica {
  readonly leader: Leadership
  readonly writer: Writer.Writer
  /** What the destination holds, our own keys left out. */
  readonly contents: Diff.Contents
  /** The destination prefix's index when it was last looked at, and when that was (ms). */
  readonly looked: { readonly index: number; readonly at: number }
  /** Index of the source's snapshot of the last pass; none before the first, and then no checkpoint stands for it. */
  readonly index: Option.Option<number>
  /** Keys that the source has not, as a consistent read confirmed, and that stay because of the limit. */
  readonly held: ReadonlySet<string>
}

/**
 * Every member answers with the replica as it is afterwards. After a failure, what has landed is not known: take over
 * again. Only one of them may run at a time.
 *
 * @since 0.2.0
 * @category models
 */
export interface Passes {
  /** Voids what is still under way from before, then reads what the destination holds. */
  readonly takeOver: (leader: Leadership) => Effect.Effect<Replica, Writer.WriterError>
  /** Makes the destination equal to a snapshot of the source. */
  readonly catchUp: (replica: Replica, snapshot: Snapshot) => Effect.Effect<Replica, Writer.WriterError>
  /** Looks for what others changed at the destination, and makes it equal to the source as it is now. */
  readonly reconcile: (replica: Replica) => Effect.Effect<Replica, Writer.WriterError>
}

/** What a pass is going to do, and what the destination holds after it. */
interface Plan extends DeleteLimit.Verdict {
  readonly snapshot: Snapshot
  /** What the source says that the destination should hold. */
  readonly wanted: Diff.Contents
  readonly contents: Diff.Contents
}

const missing = ({ changes, held }: Plan): number => changes.deletes.length + held.length

/**
 * Whether a plan rests on a snapshot that may be wrong: it is of another history, or was read before a repair; the
 * source is empty all of a sudden; or so many keys are gone that the limit holds them back, not all of which have
 * been confirmed yet.
 */
const isDoubtful = ({ held, snapshot, wanted }: Plan, replica: Replica): boolean =>
  snapshot.rewound ||
  Option.exists(replica.index, (index) => snapshot.index < index) ||
  (wanted.size === 0 && replica.contents.size > 0) ||
  held.some((key) => !replica.held.has(key))

const isInSync = (replica: Replica): boolean => Option.isSome(replica.index) && replica.held.size === 0

/**
 * @since 0.2.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  replication: Replication
): Effect.fn.Return<Passes, never, ConsulHttp | Checkpoint | Watcher> {
  const { deletes, destinationPrefix, lock, maxDeletes, prefix, source, status } = replication
  const mapping: Mapping = { prefix, destinationPrefix, owned: new Set([lock, status]) }
  const context = yield* Effect.context<ConsulHttp | Checkpoint>()
  const consul = yield* ConsulHttp
  const watcher = yield* Watcher
  const limits = yield* Writer.makeLimits
  const notices = yield* Notices.make(replication)
  const doubting = yield* Condition.make(`the answers of ${source} hold again`)
  const holding = yield* Condition.make("no deletes are held back any more")
  const pace = yield* Schedule.driver(Schedules.lookAgain)

  const look = Effect.gen(function* () {
    const at = yield* Clock.currentTimeMillis
    const { index, value } = yield* consul.kv.list(destinationPrefix, { consistency: "consistent" })
    return { contents: Diff.held(mapping, value.entries), looked: { index, at } }
  })

  const takeOver: Passes["takeOver"] = Effect.fn("Replica.takeOver")(function* (leader) {
    const writer = yield* Effect.provide(Writer.open({ leader, limits, replication }), context)
    return { leader, writer, ...(yield* look), index: Option.none(), held: new Set<string>() }
  })

  const plan = ({ contents }: Replica, snapshot: Snapshot): Plan => {
    const wanted = Diff.wanted(mapping, snapshot.entries)
    const changes = Diff.diff(contents, wanted)
    const verdict: DeleteLimit.Verdict = deletes
      ? DeleteLimit.judge(changes, contents.size, maxDeletes)
      : { changes: { ...changes, deletes: [] }, held: [] }
    const stay = new Set(deletes ? verdict.held : changes.deletes)
    return {
      ...verdict,
      snapshot,
      wanted,
      contents:
        stay.size === 0 ? wanted : new Map([...[...contents].filter(([key]) => stay.has(key)), ...wanted])
    }
  }

  const confirm: Effect.Effect<Snapshot, ConsulError> = watcher.confirm({
    source: { datacenter: source },
    prefix
  })

  /** Plans again, with what the source says for certain. */
  const reconsider = Effect.fn("Replica.reconsider")(function* (replica: Replica, doubtful: Plan) {
    yield* Effect.ignore(pace.next(undefined))
    const certain = plan(replica, yield* confirm)
    const wrong = missing(doubtful) - missing(certain)
    if (wrong > 0) yield* doubting.trouble("wrong", Notices.wrong(replication, wrong))
    return certain
  })

  const report = (replica: Replica) => {
    const held = replica.held.size
    if (held === 0) return Effect.zipRight(holding.fine, replica.leader.report(passing))
    const output = Notices.holding(replication, held, replica.contents.size)
    return Effect.zipRight(
      holding.trouble("held", output),
      replica.leader.report({ status: "warning", output })
    )
  }

  const land = Effect.fn("Replica.land")(function* (before: Replica, planned: Plan) {
    const { changes, contents, held, snapshot, wanted } = planned
    const { index } = snapshot
    const replica: Replica = { ...before, contents, index: Option.some(index), held: new Set(held) }
    yield* notices.snapshot(snapshot)
    const checkpointed = Option.exists(before.index, (was) => was <= index)
    if (!checkpointed || !Diff.isEmpty(changes) || held.length !== before.held.size) {
      const [duration] = yield* Effect.timed(before.writer.apply(changes, index, held.length))
      const inSync = isInSync(replica) && !isInSync(before)
      if (inSync || !Diff.isEmpty(changes)) {
        yield* notices.applied({ changes, keys: wanted.size, index, duration, inSync })
      }
    }
    yield* report(replica)
    return replica
  })

  const catchUp: Passes["catchUp"] = Effect.fn("Replica.catchUp")(function* (replica, snapshot) {
    const first = plan(replica, snapshot)
    if (isDoubtful(first, replica)) return yield* land(replica, yield* reconsider(replica, first))
    yield* doubting.fine
    return yield* land(replica, first)
  })

  const reconcile: Passes["reconcile"] = Effect.fn("Replica.reconcile")(function* (replica) {
    const at = yield* Clock.currentTimeMillis
    // Folded, an answer is small, and its index that of the whole prefix all the same.
    const { index } = yield* consul.kv.keys(destinationPrefix, { separator: "/" })
    const trusted = at - replica.looked.at < Duration.toMillis(Schedules.indexTrust)
    if (index === replica.looked.index && trusted) return { ...replica, looked: { index, at } }
    const found: Replica = { ...replica, ...(yield* look) }
    const undoing = Diff.diff(found.contents, replica.contents)
    if (Diff.isEmpty(undoing)) return found
    const planned = plan(found, yield* confirm)
    const repaired = yield* land(found, planned)
    const drift = Diff.drift(undoing, found.contents, planned.wanted)
    yield* notices.drift(drift, drift.extra === 0 || (deletes && repaired.held.size === 0))
    return repaired
  })

  return { takeOver, catchUp, reconcile }
})
