/**
 * Keeps a prefix of this datacenter equal to a prefix of another, for as long as it runs.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Checkpoint from "./Checkpoint.js"
import { ConsulHttp } from "./ConsulHttp.js"
import * as Diff from "./Diff.js"
import * as Condition from "./internal/Condition.js"
import * as Notices from "./internal/Notices.js"
import * as LeaderLock from "./LeaderLock.js"
import type { Mapping } from "./Mapping.js"
import * as Replication from "./Replication.js"
import * as Schedules from "./Schedules.js"
import * as Watcher from "./Watcher.js"
import * as Writer from "./Writer.js"

/**
 * @since 0.1.0
 * @category tags
 */
export class Replicator extends Context.Tag("consul-replicate/Replicator")<
  Replicator,
  {
    /**
     * Stands for leadership, leads, replicates, and stands again, until interrupted; then gives the lock back.
     * Fails only with wrong use that shows when the agent has said where it is, before anything is written.
     */
    readonly run: Effect.Effect<never, Replication.InvalidReplication>
  }
>() {}

/** The destination as its writer knows it: what it holds, and whether a checkpoint says so yet. */
interface Replica {
  readonly writer: Writer.Writer
  readonly contents: Diff.Contents
  readonly checkpointed: boolean
}

const make = Effect.fnUntraced(function* (replication: Replication.Replication) {
  const { destinationPrefix, lock, prefix, source, status } = replication
  const mapping: Mapping = { prefix, destinationPrefix, owned: new Set([lock, status]) }
  const consul = yield* ConsulHttp
  const context = yield* Effect.context<ConsulHttp | Checkpoint.Checkpoint>()
  const leaderLock = yield* LeaderLock.LeaderLock
  const watcher = yield* Watcher.Watcher
  const limits = yield* Writer.makeLimits
  const notices = yield* Notices.make(replication)
  const starting = yield* Condition.make(`the agent at ${consul.endpoint.address} answers`)
  const applying = yield* Condition.make("replication goes on")

  /** Voids what is still under way from before, then reads what the destination holds. */
  const takeOver = Effect.fn("Replicator.takeOver")(function* (leader: LeaderLock.Leadership) {
    const writer = yield* Effect.provide(Writer.open({ leader, limits, replication }), context)
    const { value } = yield* consul.kv.list(destinationPrefix, { consistency: "consistent" })
    return { writer, contents: Diff.held(mapping, value.entries), checkpointed: false }
  })

  /** Makes the destination equal to a snapshot of the source. */
  const catchUp = Effect.fn("Replicator.catchUp")(function* (replica: Replica, snapshot: Watcher.Snapshot) {
    const contents = Diff.wanted(mapping, snapshot.entries)
    const changes = Diff.diff(replica.contents, contents)
    if (!replica.checkpointed || !Diff.isEmpty(changes)) {
      const { index } = snapshot
      const [duration] = yield* Effect.timed(replica.writer.apply(changes, index))
      yield* notices.applied({ changes, keys: contents.size, index, duration, first: !replica.checkpointed })
    }
    yield* applying.fine
    return { ...replica, contents, checkpointed: true }
  })

  /** Compares both sides in full, then follows the source from snapshot to snapshot. */
  const follow = (leader: LeaderLock.Leadership) =>
    watcher.snapshots({ source: { datacenter: source }, prefix }).pipe(
      Stream.tap(notices.snapshot),
      Stream.runFoldEffect(Option.none<Replica>(), (replica, snapshot) =>
        Option.match(replica, { onNone: () => takeOver(leader), onSome: Effect.succeed }).pipe(
          Effect.flatMap((replica) => catchUp(replica, snapshot)),
          Effect.asSome
        )
      ),
      Effect.zipRight(Effect.never)
    )

  /** What has landed after a failure is not known, so both sides are compared again; a lost lock ends the leading. */
  const lead = leaderLock.lead((leader) =>
    follow(leader).pipe(
      Effect.tapError((error) =>
        error._tag === "LockLost"
          ? Effect.void
          : applying.trouble(error._tag, `replication is held up: ${error.message}`)
      ),
      Effect.retry({ schedule: Schedules.compareAgain, while: (error) => error._tag !== "LockLost" })
    )
  )

  /** Stands again whenever leading ends, which it only does by a failure. */
  const standAndLead = lead.pipe(
    Effect.tapErrorTag("LockLost", (error) => Effect.logWarning(error.message)),
    Effect.retry(Schedules.standAgain),
    Effect.orDie
  )

  const validate = consul.agent.self.pipe(
    Condition.watch(starting, "waiting for the agent"),
    Effect.retry(Schedules.reconnect),
    Effect.orDie,
    Effect.flatMap(({ datacenter }) => Replication.validateIn(replication, datacenter))
  )

  return { run: Effect.zipRight(validate, standAndLead).pipe(Effect.withSpan("Replicator.run")) }
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  replication: Replication.Replication
): Layer.Layer<
  Replicator,
  never,
  ConsulHttp | LeaderLock.LeaderLock | Watcher.Watcher | Checkpoint.Checkpoint
> => Layer.effect(Replicator, make(replication))

/**
 * The replicator with its services, over the client of the destination's agent.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithServices = (
  replication: Replication.Replication
): Layer.Layer<Replicator, never, ConsulHttp> =>
  layer(replication).pipe(
    Layer.provide([
      LeaderLock.layer({ lock: replication.lock, service: replication.service }),
      Watcher.layer,
      Checkpoint.layer(replication.status)
    ])
  )
