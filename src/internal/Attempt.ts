/**
 * One attempt of a leader to replicate: from the first answer of the source to the first failure.
 */
import * as Effect from "effect/Effect"
import type * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SynchronizedRef from "effect/SynchronizedRef"
import type { ConsulError } from "../ConsulError.js"
import type { InvalidOptions } from "../InvalidOptions.js"
import type { Leadership } from "../LeaderLock.js"
import { type Replication, watched } from "../Replication.js"
import type { Route } from "../ReplicationEvent.js"
import type { Watcher } from "../Watcher.js"
import type * as FencedWriter from "./destination/FencedWriter.js"
import * as Reconciling from "./destination/Reconciling.js"
import type * as Replica from "./destination/Replica.js"
import type { ReplicaState } from "./destination/ReplicaState.js"
import { raceFirst } from "./effect/RaceFirst.js"
import * as Silence from "./report/Silence.js"
import * as Batch from "./source/Batch.js"
import type * as Liveness from "./source/Liveness.js"
import * as Quiescence from "./source/Quiescence.js"

export type Failure = FencedWriter.WriterError | InvalidOptions

/** The services that all attempts of a replicator share. */
export interface Services {
  readonly replication: Replication
  readonly watcher: Watcher["Type"]
  readonly replica: Replica.Replica
  /** The field by which an event names the replication. */
  readonly about: { readonly replication: Route }
  /** Fails if the source is the destination. */
  readonly refuseItself: Effect.Effect<void, ConsulError | InvalidOptions>
  /** Ends the trouble of applying changes: a pass has landed. */
  readonly endTrouble: Effect.Effect<void>
}

/** One leadership, and the state that its attempts share. */
export interface Leading {
  readonly leader: Leadership
  readonly liveness: Liveness.Liveness
  /** Whether the latest event said that the source is silent. */
  readonly isSilent: Ref.Ref<boolean>
}

interface Attempt extends Leading {
  /** Opens the writer at the first use. */
  readonly writer: Effect.Effect<FencedWriter.FencedWriter, FencedWriter.WriterError>
  /** Waits for the next events of the source. */
  readonly next: Effect.Effect<Batch.Batch, ConsulError>
}

const begin = Effect.fnUntraced(function* (
  { replica, replication, watcher }: Services,
  leading: Leading
): Effect.fn.Return<Attempt, never, Scope.Scope> {
  const { leader, liveness } = leading
  const writer = yield* Effect.cached(replica.open(leader))
  const next = yield* Batch.pull(watcher.events({ ...watched(replication), liveness }))
  return { ...leading, writer, next }
})

/** Compares both sides in full. Reads the destination as soon as the source has answered. */
const compare = Effect.fnUntraced(function* (
  services: Services,
  { leader, next, writer }: Attempt
): Effect.fn.Return<ReplicaState, Failure> {
  const { endTrouble, refuseItself, replica } = services
  const takingOver = Effect.flatMap(writer, (writer) => replica.takeOver(leader, writer))
  const compared = yield* replica.compare(Effect.zipRight(refuseItself, takingOver), next)
  // A part of a comparison that has landed does not show that the rest of it will.
  yield* endTrouble
  return compared
})

const watchSilence = ({ about }: Services, { isSilent, liveness, writer }: Attempt) =>
  Silence.watch({
    ...about,
    liveness,
    isSilent,
    mark: (isSilent) => Effect.flatMap(writer, ({ markSilence }) => markSilence(isSilent))
  })

/** Compares both sides in full, then follows the source from snapshot to snapshot, and reconciles between them. */
export const follow = Effect.fnUntraced(function* (services: Services, leading: Leading) {
  const { endTrouble, replica, replication } = services
  const attempt = yield* begin(services, leading)
  // One pass at a time.
  const state = yield* Effect.cached(Effect.flatMap(compare(services, attempt), SynchronizedRef.make))
  const quiet = Quiescence.gather(replication.wait)(Stream.repeatEffect(attempt.next))
  const following = Effect.flatMap(state, (state) =>
    Stream.runForEach(quiet, (events) =>
      Effect.zipRight(
        SynchronizedRef.updateEffect(state, (before) => replica.applyEvents(before, events)),
        endTrouble
      )
    )
  )
  const reconciling = Reconciling.forever(replica, state, replication.reconcile)
  yield* Effect.all([following, reconciling, watchSilence(services, attempt)], {
    concurrency: "unbounded",
    discard: true
  })
  return yield* Effect.never
})

/** Compares both sides in full, once. */
export const compareOnce = Effect.fnUntraced(function* (services: Services, leading: Leading) {
  const attempt = yield* begin(services, leading)
  return yield* raceFirst(compare(services, attempt), watchSilence(services, attempt))
})
