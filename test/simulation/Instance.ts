/** An instance: a process that runs replications, which can be started, reloaded, stopped, killed and frozen. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as ConsulHttp from "../../src/ConsulHttp.js"
import { observing } from "../../src/internal/report/EventSink.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import type * as Replication from "../../src/Replication.js"
import * as Replications from "../../src/Replications.js"
import * as Replicator from "../../src/Replicator.js"
import type { Fabric, Link } from "./Fabric.js"
import type { History } from "./History.js"
import { type Incarnation, viewOf } from "./Incarnation.js"
import { type Configuration, goesOn, type Route } from "./Route.js"

/** A mistake between a replicator and the network, which the simulation has to find. */
export type Distort = (client: HttpClient.HttpClient) => HttpClient.HttpClient

export interface Options {
  readonly name: string
  readonly agent: string
  readonly datacenter: string
  readonly address: string
  /** The replications that may run in the process. */
  readonly routes: ReadonlyArray<Route>
  /** The first configuration. */
  readonly configuration: Configuration
  readonly replicationsOf: (
    configuration: Configuration
  ) => Effect.Effect<ReadonlyArray<Replication.Replication>>
  readonly distort: Distort
  /** The clocks that `setClock` changes: the time of day only, or, as a mistake, all clocks. */
  readonly setClocks: "time of day" | "all"
  readonly agentless: boolean
}

export interface Instance {
  /** The running process. Undefined if none runs. */
  readonly running: Effect.Effect<Incarnation | undefined>
  /** Starts a process unless one runs. */
  readonly start: Effect.Effect<void>
  /** Changes the configuration, and reloads it as SIGHUP does. Does not wait for the end of the reload. */
  readonly reload: (configuration: Configuration) => Effect.Effect<void>
  /** Ends the process as SIGTERM does. Returns the process if no request of its end was disturbed. */
  readonly stop: Effect.Effect<Incarnation | undefined>
  /** Ends the process as SIGKILL does. */
  readonly kill: Effect.Effect<void>
  readonly isolate: (how: "refused" | "unanswered" | undefined) => Effect.Effect<void>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Sets the time of day of the instance's machine ahead or back. */
  readonly setClock: (byMs: number) => Effect.Effect<void>
}

interface Process {
  readonly incarnation: Incarnation
  readonly link: Link
  readonly scope: Scope.CloseableScope
  /** Completed when the agent has answered. */
  readonly replications: Deferred.Deferred<Replications.Replications>
  /** The configuration that the process has read last. */
  running: Configuration
  /** Has one permit: one reload runs at a time. */
  readonly reloading: Effect.Semaphore
  /** Runs an effect in the process, with the clock and the log of the process, until the process ends. */
  readonly fork: <E>(effect: Effect.Effect<unknown, E>) => Effect.Effect<unknown>
}

/** How far the clocks of a process are ahead, in ms: the clock of the time of day, and the clock that measures durations. */
interface Ahead {
  readonly timeOfDay: () => number
  readonly monotonic: () => number
}

/** A clock whose sleepers do not wake while the process is frozen. */
const stoppable = (
  clock: Clock.Clock,
  running: Effect.Effect<void>,
  { monotonic, timeOfDay }: Ahead
): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + timeOfDay(),
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + timeOfDay()),
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos() + BigInt(monotonic()) * 1_000_000n,
  currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + BigInt(monotonic()) * 1_000_000n),
  sleep: (duration) => Effect.zipRight(clock.sleep(duration), running)
})

export const make = (
  options: Options,
  fabric: Fabric,
  history: History,
  died: (incarnation: Incarnation, why: string) => void
): Effect.Effect<Instance, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { address, agent, agentless, datacenter, distort, name, replicationsOf, routes, setClocks } =
      options
    const clock = yield* Effect.clock
    const world = yield* Effect.scope
    const log = (line: string) => history.add(clock.unsafeCurrentTimeMillis(), line)
    let generation = 0
    let process: Process | undefined
    let configuration = options.configuration
    let wrongBy = 0
    let isolation: "refused" | "unanswered" | undefined

    const logs = (of: string) =>
      Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => {
          if (LogLevel.lessThan(logLevel, LogLevel.Info)) return
          // The process id in the lock is that of the test.
          const text = (Array.isArray(message) ? message.join(" ") : String(message)).replace(
            /pid \d+/,
            "pid"
          )
          log(`${of} ${logLevel.label} ${text}`)
        })
      )

    const start = Effect.suspend(() => {
      if (process !== undefined) return Effect.void
      generation += 1
      const incarnation: Incarnation = {
        name: `${name}.${generation}`,
        agent,
        datacenter,
        sessions: new Set(),
        services: new Set(),
        sent: 0,
        pardoned: 0,
        isStopping: false,
        views: new Map()
      }
      return Effect.gen(function* () {
        log(`${incarnation.name} starts`)
        const link = yield* fabric.link(incarnation)
        yield* link.isolate(isolation)
        const scope = yield* Scope.make()
        const fork = <E>(effect: Effect.Effect<unknown, E>) =>
          effect.pipe(
            Effect.tapErrorCause((cause) =>
              Effect.sync(() => {
                if (!Cause.isInterruptedOnly(cause)) died(incarnation, Cause.pretty(cause))
              })
            ),
            Effect.provide(logs(incarnation.name)),
            Effect.withClock(
              stoppable(clock, link.running, {
                timeOfDay: () => wrongBy,
                monotonic: () => (setClocks === "all" ? wrongBy : 0)
              })
            ),
            Effect.interruptible,
            Effect.forkIn(scope)
          )
        const replications = yield* Deferred.make<Replications.Replications>()
        const reloading = yield* Effect.makeSemaphore(1)
        process = { incarnation, link, scope, replications, running: configuration, reloading, fork }
        const lock = yield* Effect.orDie(LeaderLock.options({ agentless }))
        const services = Layer.merge(Replicator.services, LeaderLock.shared(lock)).pipe(
          Layer.provideMerge(ConsulHttp.layer({ address: `http://${address}` })),
          Layer.provide(Layer.succeed(HttpClient.HttpClient, distort(link.client)))
        )
        yield* Effect.flatMap(replicationsOf(configuration), Replications.make).pipe(
          Effect.tap((made) => Deferred.succeed(replications, made)),
          Effect.flatMap(({ failure }) => failure),
          Effect.scoped,
          // The failure of a replication does not end the process.
          observing({
            consume: (event) =>
              Effect.sync(() => {
                if (event._tag !== "Trouble" || event.subject._tag !== "Replication") return
                if (event.cause === "Failed" || event.cause === "InvalidOptions")
                  died(incarnation, event.message)
              })
          }),
          Effect.provide(services),
          fork
        )
      })
    })

    /**
     * Marks replications that end. The judge checks requests: a replication that ends may write its status, and nothing after
     * that.
     */
    const reload = (next: Configuration) => (loaded: Process) =>
      Effect.gen(function* () {
        const { incarnation } = loaded
        const { reload } = yield* Deferred.await(loaded.replications)
        const isIn = ({ prefix }: Route) => next.some((one) => one.prefix === prefix)
        const ending = routes.filter((route) => !goesOn(loaded.running, next, route))
        for (const route of ending) {
          const view = viewOf(incarnation, route)
          view.isEnding = true
          if (isIn(route)) view.endedAt = undefined
        }
        const { kept } = yield* Effect.flatMap(replicationsOf(next), reload)
        for (const route of routes) {
          const isKept = kept.some(({ status }) => status === route.status)
          if (isKept !== goesOn(loaded.running, next, route)) {
            died(
              incarnation,
              `a reload ${isKept ? "kept" : "ended"} ${route.prefix}, which has${isKept ? "" : " not"} changed`
            )
          }
        }
        loaded.running = next
        log(`${incarnation.name} has read its configuration again`)
        for (const route of ending) {
          const view = viewOf(incarnation, route)
          view.isEnding = false
          if (!isIn(route)) view.endedAt = incarnation.sent
        }
      }).pipe(loaded.reloading.withPermits(1), loaded.fork)

    const end = (how: string) =>
      Effect.sync(() => {
        const ended = process
        process = undefined
        if (ended === undefined) return undefined
        ended.incarnation.isStopping = true
        log(`${ended.incarnation.name} is ${how}`)
        return ended
      })

    const now = <A>(use: (process: Process) => Effect.Effect<A>) =>
      Effect.suspend((): Effect.Effect<unknown> => (process === undefined ? Effect.void : use(process)))

    /** Returns an effect that ends the fibers of the process, which may take some time. */
    const kill = Effect.gen(function* () {
      const ended = yield* end("killed")
      if (ended === undefined) return Effect.void
      yield* ended.link.cut
      yield* ended.link.thaw
      return Effect.uninterruptible(Scope.close(ended.scope, Exit.void))
    })

    // A fiber that waits for ever would keep the whole world in memory, and the test's process alive.
    yield* Effect.addFinalizer(() => Effect.flatten(kill))

    return {
      running: Effect.sync(() => process?.incarnation),
      start,
      reload: (next) =>
        Effect.zipRight(
          Effect.sync(() => {
            configuration = next
          }),
          now(reload(next))
        ),
      stop: Effect.gen(function* () {
        const ended = yield* end("stopped")
        if (ended === undefined) return undefined
        const before = ended.link.troubles()
        yield* ended.link.thaw
        yield* Scope.close(ended.scope, Exit.void)
        log(`${ended.incarnation.name} has ended`)
        return ended.link.troubles() === before && isolation === undefined ? ended.incarnation : undefined
      }),
      kill: Effect.flatMap(kill, (closing) => Effect.forkIn(closing, world)),
      isolate: (how) =>
        Effect.zipRight(
          Effect.sync(() => {
            isolation = how
          }),
          now(({ link }) => link.isolate(how))
        ),
      freeze: now(({ link }) => link.freeze),
      thaw: now(({ link }) => link.thaw),
      setClock: (byMs) =>
        Effect.sync(() => {
          wrongBy += byMs
        })
    }
  })
