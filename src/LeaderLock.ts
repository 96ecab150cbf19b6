/**
 * Leadership among the instances of a datacenter: Consul's lock, held by a session that ends with this process.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { ConsulError } from "./ConsulError.js"
import type { ConsulHttp } from "./ConsulHttp.js"
import type { InvalidOptions } from "./InvalidOptions.js"
import * as OpenScope from "./internal/effect/OpenScope.js"
import { raceFirst } from "./internal/effect/RaceFirst.js"
import * as Acquisition from "./internal/lock/Acquisition.js"
import * as Exclusive from "./internal/lock/Exclusive.js"
import { passing } from "./internal/lock/Health.js"
import type { LockLost } from "./internal/lock/LockLost.js"
import * as LockOptions from "./internal/lock/LockOptions.js"
import * as SharedLeadership from "./internal/lock/SharedLeadership.js"

export { type Health, passing } from "./internal/lock/Health.js"
export { Holder } from "./internal/lock/Holder.js"

import type { Leadership } from "./internal/lock/Leadership.js"

export type { Leadership } from "./internal/lock/Leadership.js"
export { LockLost } from "./internal/lock/LockLost.js"
export {
  config,
  decodeUnknown,
  defaults,
  LeaderLockOptions,
  type LockFields,
  type LockOptions,
  options
} from "./internal/lock/LockOptions.js"

/**
 * Options of one use of a lock.
 *
 * @since 0.5.0
 * @category models
 */
export interface UseOptions {
  /**
   * What the use does while it leads, in one line for people. The lock's value has this purpose, unless the layer's options
   * name one or the lock is shared. The output of the check has it if several uses lead.
   */
  readonly purpose?: string | undefined
  /**
   * A key that one use of the process writes at a time: under a {@link shared} lock, uses with the same key lead one after
   * another.
   */
  readonly exclusive?: string | undefined
}

/**
 * A lock by which one instance of a service leads at a time.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { ConsulHttp, LeaderLock } from "consul-replicate"
 * import { SimConsul } from "consul-replicate/testing"
 * import { Config, Effect, Layer } from "effect"
 *
 * const Lock = LeaderLock.layerConfig({
 *   lock: Config.succeed("service/billing/leader"),
 *   service: Config.succeed("billing")
 * }).pipe(
 *   Layer.provide(ConsulHttp.layer({ address: "127.0.0.1:8500" })),
 *   Layer.provide(SimConsul.layerHttpClient())
 * )
 *
 * // Of all instances, one at a time does this. It is interrupted if the lock is lost.
 * export const program = LeaderLock.lead(({ fence, instance }) =>
 *   Effect.sync(() => {
 *     assert.strictEqual(fence.lock, "service/billing/leader")
 *     assert.match(instance, /^billing-/)
 *   })
 * ).pipe(Effect.provide(Lock))
 * ```
 */
export class LeaderLock extends Context.Tag("consul-replicate/LeaderLock")<
  LeaderLock,
  {
    /**
     * Key of the lock.
     *
     * @since 0.5.0
     */
    readonly lock: string
    /**
     * Name of the service whose instances stand for leadership.
     *
     * @since 0.5.0
     */
    readonly service: string
    /**
     * Whether several uses lead at the same time, as with {@link shared}.
     *
     * @since 0.5.0
     */
    readonly isShared: boolean
    /**
     * Waits for the lock without a time limit. Fails if Consul cannot be asked, or ends the session while the instance stands
     * by; then acquire again. When the scope closes, the lock is free at once, and only the lock's value is left in Consul, with
     * the time at which the lock was given back.
     */
    readonly acquire: Effect.Effect<Leadership, ConsulError | LockLost, Scope.Scope>
    /**
     * Waits for the lock, runs `use`, and gives the lock back. Interrupts `use` when the lock is lost. Meanwhile other uses of
     * the same service wait, or lead beside it if the lock is {@link shared}.
     */
    readonly lead: <A, E, R>(
      use: (leadership: Leadership) => Effect.Effect<A, E, R>,
      options?: UseOptions
    ) => Effect.Effect<A, E | ConsulError | LockLost, Exclude<R, Scope.Scope>>
  }
>() {}

const closedMessage = (lock: string): string =>
  `the LeaderLock of ${lock} was used after the scope of its layer was closed: provide the layer to the effect that ` +
  "leads, not to the one that takes the service out of it"

type Acquire = (options: UseOptions) => ReturnType<Acquisition.Acquire>

/** If the attempt fails, closes what it has acquired: the caller may try again in the same scope. */
const attempting = <A, E>(attempt: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      return yield* restore(Scope.extend(attempt, scope)).pipe(
        Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
      )
    })
  )

const serviceOf = Effect.fnUntraced(function* (
  { lock, service }: Pick<LockOptions.LeaderLockOptions, "lock" | "service">,
  isShared: boolean,
  acquire: Acquire
) {
  const { check, whileOpen } = yield* OpenScope.make(closedMessage(lock))
  return LeaderLock.of({
    lock,
    service,
    isShared,
    acquire: Effect.zipRight(check, attempting(acquire({}))),
    lead: (use, options = {}) =>
      Effect.flatMap(acquire(options), (leadership) => raceFirst(use(leadership), leadership.lost)).pipe(
        Effect.scoped,
        whileOpen
      )
  })
})

/**
 * A lock by which one use of the process leads at a time: a second one stands by until the first one ends, and emits
 * `StandingBy`. One layer serves one key of a lock; two layers of the same key stand by for each other as two processes do.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: LockOptions.LeaderLockOptions): Layer.Layer<LeaderLock, never, ConsulHttp> =>
  Layer.scoped(
    LeaderLock,
    Effect.gen(function* () {
      const { lock, service } = options
      yield* LockOptions.validate(options)
      const acquire = yield* Acquisition.make(options)
      const exclusively = yield* Exclusive.make
      const standingBy = { _tag: "StandingBy", lock, service, reason: "LedHere" } as const
      return yield* serviceOf(options, false, ({ purpose }) =>
        Effect.zipRight(
          exclusively.acquire(lock, { ...standingBy, purpose }),
          acquire(options.purpose ?? purpose)
        )
      )
    })
  )

/**
 * A lock by which several uses of the process lead at the same time, under one leadership. The first use to lead waits for
 * the lock, others join it, and the last use to end gives the lock back. When the lock is lost, all uses fail; the first
 * to lead again waits for the lock, and the others join. The service's check shows a warning if any use reports one.
 *
 * @since 0.5.0
 * @category layers
 * @example
 * ```ts
 * import * as assert from "node:assert"
 * import { LeaderLock, Replication, Replicator } from "consul-replicate"
 * import { VirtualTime, World } from "consul-replicate/testing"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   yield* World.put("nyc1", { "one/a": "1", "two/a": "2" })
 *   const instance = yield* World.instance({ leaderLock: LeaderLock.shared })
 *   const replicate = (prefix: string) =>
 *     Effect.flatMap(
 *       Replication.make({ source: "nyc1", prefix, status: `service/copies/${prefix}status` }),
 *       Replicator.run
 *     )
 *   // Under one leadership, side by side.
 *   const both = Effect.all([replicate("one/"), replicate("two/")], { concurrency: "unbounded" })
 *   const arrived = Effect.map(
 *     Effect.all([World.text("sfo1", "one/a"), World.text("sfo1", "two/a")]),
 *     (texts) => texts.join() === "1,2"
 *   )
 *   yield* Effect.raceFirst(instance.run(both), VirtualTime.until(arrived))
 *   assert.strictEqual(yield* World.text("sfo1", "one/a"), "1")
 * }).pipe(Effect.scoped, Effect.provide(World.layer))
 * ```
 */
export const shared = (options: LockOptions.LeaderLockOptions): Layer.Layer<LeaderLock, never, ConsulHttp> =>
  Layer.scoped(
    LeaderLock,
    Effect.gen(function* () {
      const { lock, purpose, service } = options
      yield* LockOptions.validate(options)
      const acquire = yield* Acquisition.make(options)
      const join = yield* SharedLeadership.make(acquire(purpose), passing)
      const exclusively = yield* Exclusive.make
      const standingBy = { _tag: "StandingBy", lock, service, reason: "UsedHere" } as const
      return yield* serviceOf(options, true, ({ exclusive, purpose }) =>
        exclusive === undefined
          ? join(purpose)
          : Effect.zipRight(
              exclusively.acquire(exclusive, { ...standingBy, key: exclusive, purpose }),
              join(purpose)
            )
      )
    })
  )

/**
 * {@link layer} with options that are `Config`s, each or all together: `LeaderLock.layerConfig(LeaderLock.config)`.
 *
 * @since 0.5.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<LockOptions.LockOptions>
): Layer.Layer<LeaderLock, InvalidOptions | ConfigError, ConsulHttp> => fromConfig(options, layer)

/**
 * {@link shared} with options that are `Config`s.
 *
 * @since 0.5.0
 * @category layers
 */
export const sharedConfig = (
  options: Config.Config.Wrap<LockOptions.LockOptions>
): Layer.Layer<LeaderLock, InvalidOptions | ConfigError, ConsulHttp> => fromConfig(options, shared)

const fromConfig = (options: Config.Config.Wrap<LockOptions.LockOptions>, make: typeof layer) =>
  Layer.unwrapEffect(Effect.map(Effect.flatMap(Config.unwrap(options), LockOptions.options), make))

/**
 * `acquire` of the service in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const acquire: Effect.Effect<Leadership, ConsulError | LockLost, LeaderLock | Scope.Scope> =
  Effect.flatMap(LeaderLock, (leaderLock) => leaderLock.acquire)

/**
 * `lead` of the service in the environment.
 *
 * @since 0.5.0
 * @category accessors
 */
export const lead = <A, E, R>(
  use: (leadership: Leadership) => Effect.Effect<A, E, R>,
  options?: UseOptions
): Effect.Effect<A, E | ConsulError | LockLost, LeaderLock | Exclude<R, Scope.Scope>> =>
  Effect.flatMap(LeaderLock, (leaderLock) => leaderLock.lead(use, options))
