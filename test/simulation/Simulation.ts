/**
 * Plays one history from one seed: datacenters, replicators, writers, faults, and a judge, on a virtual clock.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TransactionBatches from "../../src/internal/destination/TransactionBatches.js"
import * as LeaderLock from "../../src/LeaderLock.js"
import * as Replication from "../../src/Replication.js"
import { SimConsul } from "../../src/testing/index.js"
import * as OrderedMap from "../../src/testing/internal/go/OrderedMap.js"
import * as VirtualTime from "../../src/testing/VirtualTime.js"
import * as Action from "./Action.js"
import * as Actor from "./Actor.js"
import * as Fabric from "./Fabric.js"
import * as History from "./History.js"
import * as Instance from "./Instance.js"
import * as Judge from "./Judge.js"
import * as Plan from "./Plan.js"
import type { ReplicaJudge } from "./ReplicaJudge.js"
import type { Configuration } from "./Route.js"
import type { Trial } from "./Trials.js"

export interface Outcome {
  readonly plan: Plan.Plan
  /** The violation, if there was one. */
  readonly violation: Option.Option<string>
  readonly history: History.History
  /** The virtual time of the history, in ms. */
  readonly duration: number
}

/**
 * The longest time from the end of all faults until every destination equals its source. An unanswered request takes the longest:
 * a blocking query of a minute, its sixteenth, and ten seconds. Then a back-off follows, the session of a killed process, and the
 * comparison. Refused keys are tried again after a minute too.
 */
export const bound = Duration.seconds(100)

/** The limit if no request stays unanswered: an agent's wait for a leader, and a back-off. */
export const boundWhenAnswered = Duration.seconds(30)

/** The limit for a change in quiet times. Another client's write of the status may still cost a back-off. */
export const boundOfOneChange = Duration.seconds(8)

/** Longer than every lasting action of a plan. */
const aftermath = Duration.seconds(16)

/** Over a slow link, a change may wait for a read of all keys, and for another one that confirms it. */
const readsEach = 4

const slower = (limit: Duration.Duration, { slowness }: Plan.Plan) =>
  Duration.sum(limit, Duration.seconds(readsEach * slowness))

const isUnanswered = (plan: Plan.Plan) =>
  plan.fates.some((fate) => ["unanswered", "answer lost", "late", "unwoken", "delayed"].includes(fate)) ||
  plan.actions.some(
    ({ action }) =>
      ((action._tag === "Isolate" || action._tag === "SourceDies") && action.how === "unanswered") ||
      action._tag === "Deny"
  )

/** Refused keys are tried again after a minute, and a restored session lasts for its time to live. */
const takesLonger: ReadonlySet<Trial> = new Set([
  "unbelievable entry",
  "corrupted key",
  "refused large value",
  "small limits",
  "restored destination",
  "no agent"
])

/** A value that fits no transaction, in base64, has a PUT of its own. One that is denied is tried again after a minute. */
const mayDenyLarge = ({ actions, fates, initial }: Plan.Plan) =>
  fates.includes("denied") &&
  [...initial, ...actions.flatMap(({ action }) => (action._tag === "Write" ? action.writes : []))].some(
    (write) => write._tag === "Put" && (write.size / 3) * 4 > TransactionBatches.defaultLimits.bytes
  )

const boundOf = (plan: Plan.Plan) =>
  isUnanswered(plan) || mayDenyLarge(plan) || plan.trials.some((trial) => takesLonger.has(trial))
    ? bound
    : boundWhenAnswered

/** The quiet time at the end, and the most reads of the source's values in that time that do not block. */
const quiet = Duration.seconds(40)
const readsAtRest = 3

/** The interval at which convergence is checked. */
const poll = Duration.millis(100)

/** Longer than the time after which a source counts as silent. */
const boundOfSilence = Duration.seconds(200)

const { lock } = LeaderLock.defaults

const datacenters = (plan: Plan.Plan): SimConsul.Options => {
  const agents = (datacenter: string, port: number): SimConsul.DatacenterOptions => ({
    name: datacenter,
    ...(plan.destinations.includes(datacenter) ? plan.settings : {}),
    agents: [
      { name: `${datacenter}-server`, address: `127.0.0.1:${port}` },
      ...plan.instances.flatMap((at, i) =>
        at === datacenter
          ? [{ name: Plan.agentOf(plan, i), address: `127.0.0.1:${port + 1 + i}`, server: false }]
          : []
      )
    ]
  })
  return {
    datacenters: [
      agents(plan.source, 8500),
      ...Plan.sourcesOf(plan)
        .slice(1)
        .map((source, i) => agents(source, 8600 + i * 100)),
      ...plan.destinations.map((destination, i) => agents(destination, 9500 + i * 1000))
    ]
  }
}

const nothing: Instance.Distort = (client) => client

/** The replications that a configuration names. */
const replicationsOf = (plan: Plan.Plan, configuration: Configuration, ignoresExcludes: boolean) =>
  Effect.forEach(configuration, ({ prefix, reconcile }) => {
    const route = Plan.routesOf(plan).find((route) => route.prefix === prefix) ?? plan
    return Replication.make({
      source: route.source,
      prefix,
      destinationPrefix: route.destinationPrefix,
      status: route.status,
      exclude: ignoresExcludes ? [] : route.exclude,
      reconcile: Duration.millis(reconcile),
      watchShards: plan.divided?.shards ?? 1,
      shardKeys: plan.divided?.keysEach
    })
  }).pipe(Effect.orDie)

const program = (
  plan: Plan.Plan,
  history: History.History,
  { distort = nothing, ignoresExcludes = false, setClocks = "time of day" }: Planted
): Effect.Effect<void, string, Scope.Scope> =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.make(datacenters(plan))
    const write = Actor.makeWriter(plan, sim)
    yield* write(plan.initial)
    for (const datacenter of plan.destinations) {
      for (const key of plan.strangers) {
        yield* sim.put(datacenter, plan.destinationPrefix + key, "a stranger's")
      }
    }
    const judge = yield* Judge.make(plan, lock, history, sim)
    judge.spare(plan.spared)
    const fabric = yield* Fabric.make(plan, history, sim)
    const instances = yield* Effect.forEach(plan.instances, (datacenter, i) => {
      const agent = Plan.agentOf(plan, i)
      const address = sim.agents.find(({ name }) => name === agent)?.address ?? ""
      return Instance.make(
        {
          name: agent,
          agent,
          datacenter,
          address,
          routes: Plan.routesOf(plan),
          configuration: plan.configuration,
          replicationsOf: (configuration) => replicationsOf(plan, configuration, ignoresExcludes),
          distort,
          setClocks,
          agentless: plan.agentless
        },
        fabric,
        history,
        judge.died
      )
    })
    const { act, endAll, relent, stop } = Actor.makeActor(plan, sim, judge, fabric, instances, write)

    const waitUntil = (
      isSo: Effect.Effect<boolean>,
      limit: Duration.Duration,
      otherwise: Effect.Effect<string>
    ) =>
      Effect.gen(function* () {
        const before = yield* Clock.currentTimeMillis
        while (!(yield* isSo)) {
          if ((yield* Clock.currentTimeMillis) - before > Duration.toMillis(limit)) {
            return yield* Effect.fail(`${yield* otherwise}, ${Duration.format(limit)} after the last event`)
          }
          yield* Effect.sleep(poll)
        }
      })

    const converge = (replica: ReplicaJudge, datacenter: string, limit: Duration.Duration) =>
      waitUntil(
        replica.isConverged(datacenter),
        limit,
        Effect.map(
          replica.difference(datacenter),
          (difference) =>
            `${datacenter} differs from ${replica.route.source} under ${replica.route.prefix}: ${difference}`
        )
      )

    /** Checks that the status of each replication without a source reports that. */
    const sayingSilent = Effect.suspend(() =>
      Effect.forEach(judge.silent(), (replica) =>
        Effect.forEach(plan.destinations, (datacenter) =>
          waitUntil(
            replica.reportsSilence(datacenter),
            boundOfSilence,
            Effect.succeed(
              `the status of ${replica.route.prefix} at ${datacenter} does not say that its source is silent`
            )
          )
        )
      )
    )

    /** Checks that values are not read again while nothing changes and waits end early. */
    const rest = Effect.gen(function* () {
      history.add(yield* Clock.currentTimeMillis, "nothing happens")
      const routes = judge.alive().map(({ route }) => route)
      const before = routes.map(fabric.plainReads)
      yield* Effect.sleep(quiet)
      for (const [i, route] of routes.entries()) {
        const reads = fabric.plainReads(route) - (before[i] ?? 0)
        if (reads > readsAtRest) {
          return yield* Effect.fail(
            `${reads} reads of the values under ${route.prefix} in ${Duration.format(quiet)} without a change`
          )
        }
      }
    })

    /** Checks that each instance has a session, with which it leads or stands by. */
    const standing = Effect.gen(function* () {
      for (const { running } of instances) {
        const process = yield* running
        if (process === undefined) continue
        const { sessions } = yield* sim.state(process.datacenter)
        if (!OrderedMap.values(sessions).some(({ id }) => process.sessions.has(id))) {
          return yield* Effect.fail(`${process.name} stands by without a session`)
        }
      }
    })

    const story = Effect.gen(function* () {
      for (const instance of instances) yield* instance.start
      let now = 0
      for (const { action, at } of plan.actions) {
        yield* Effect.sleep(Duration.millis(at - now))
        now = at
        history.add(now, Action.describe(action))
        history.count(action._tag)
        yield* Effect.forkScoped(act(action))
      }
      yield* Effect.sleep(Duration.millis(plan.calmAt - now))
      history.add(plan.calmAt, "all faults end")
      yield* fabric.calm
      yield* endAll
      // Earlier effects may still end, and requests in flight may still arrive.
      yield* Effect.sleep(aftermath)
      yield* endAll
      const settle = (limit: Duration.Duration) =>
        Effect.forEach(
          plan.destinations,
          (datacenter) =>
            Effect.forEach(judge.alive(), (replica) => converge(replica, datacenter, slower(limit, plan)), {
              concurrency: "unbounded",
              discard: true
            }),
          { concurrency: "unbounded", discard: true }
        )
      yield* settle(boundOf(plan))
      if (judge.sparesAny()) {
        history.add(yield* Clock.currentTimeMillis, "nothing is refused any more")
        yield* relent
        yield* settle(bound)
      }
      // A query may still block that stays unanswered, or that was sent just before a restore: it ends with its
      // wait. Once a change has come through, nothing of the faults is left.
      for (const limit of [bound, boundOfOneChange]) {
        history.add(yield* Clock.currentTimeMillis, "one more change")
        yield* write(
          judge.alive().map(({ route }) => ({ _tag: "Put", key: `${route.prefix}last`, size: 4, flags: 7n }))
        )
        yield* settle(limit)
      }
      yield* sayingSilent
      if (plan.longestWait !== undefined) yield* rest
      if (plan.agentless) yield* standing
      for (const instance of instances) yield* stop(instance)
    })
    yield* Effect.ensuring(Effect.raceFirst(story, Deferred.await(judge.violated)), Effect.sync(history.end))
  })

/** A mistake in every replicator. */
export interface Planted {
  readonly distort?: Instance.Distort | undefined
  readonly setClocks?: Instance.Options["setClocks"] | undefined
  readonly ignoresExcludes?: boolean | undefined
}

export interface Options extends Plan.Wishes, Planted {}

/** Plays a seed's history. */
export const simulate = (seed: number, options: Options = {}): Outcome => {
  const plan = Plan.draw(seed, options)
  const history = History.make()
  let duration = 0
  const exit = VirtualTime.runSyncExit(
    Effect.scoped(program(plan, history, options)).pipe(
      Effect.onExit(() =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          duration = now
        })
      )
    ),
    `seed ${seed}`
  )
  const violation = Exit.match(exit, {
    onSuccess: () => Option.none(),
    onFailure: (cause) =>
      Option.some(
        Option.getOrElse(
          Cause.failureOption(cause),
          () => `the simulation itself failed: ${Cause.pretty(cause)}`
        )
      )
  })
  return { plan, violation, history, duration }
}
