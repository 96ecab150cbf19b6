/**
 * One history from one seed: datacenters, replicators, writers, faults, and a judge, on a clock of their own.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Replication from "../../src/Replication.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Fabric from "./Fabric.js"
import * as History from "./History.js"
import * as Instance from "./Instance.js"
import * as Judge from "./Judge.js"
import * as Plan from "./Plan.js"
import * as Stepper from "./Stepper.js"

export interface Outcome {
  readonly plan: Plan.Plan
  /** What went wrong, if anything did. */
  readonly violation: Option.Option<string>
  readonly history: History.History
  /** How much time passed in it, in ms. */
  readonly duration: number
}

/**
 * From the end of all faults until every destination equals its source. A request that nobody ever answers takes the
 * longest: a blocking query of a minute, its sixteenth, and ten seconds; then come a back-off, the session of a
 * process that was killed, and the comparison. What was refused is tried again after a minute, too.
 */
export const bound = Duration.seconds(100)

/** Where no request stays without an answer, nothing takes longer than an agent's wait for a leader and a back-off. */
export const boundWhenAnswered = Duration.seconds(30)

/** For a change in quiet times: somebody else's write of the status may still cost a back-off. */
export const boundOfOneChange = Duration.seconds(8)

/** Four farewells of 1.5 s each, one after another, and the network's delays. */
export const boundOfStop = Duration.seconds(8)

/** Longer than whatever a plan lets last. */
const aftermath = Duration.seconds(16)

const boundOf = (plan: Plan.Plan) =>
  plan.fates.some((fate) => ["unanswered", "answer lost", "late", "unwoken"].includes(fate)) ||
  plan.actions.some(
    ({ action }) => (action._tag === "Isolate" && action.how === "unanswered") || action._tag === "Deny"
  )
    ? bound
    : boundWhenAnswered

/** How often convergence is looked for. */
const poll = Duration.millis(100)

const { lock, status } = Replication.defaults

const datacenters = (plan: Plan.Plan): SimConsul.Options => {
  const agents = (datacenter: string, port: number): SimConsul.DatacenterOptions => ({
    name: datacenter,
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
      ...plan.destinations.map((destination, i) => agents(destination, 9500 + i * 1000))
    ]
  }
}

const encoder = new TextEncoder()

/** What Consul takes in a transaction. */
const operationsEach = 64

/** What the writers at the source do: each value is one that was never written before. */
const makeWriter = (plan: Plan.Plan, sim: SimConsul.SimConsul) => {
  let writes = 0
  const value = (size: number) => {
    writes += 1
    return `${writes} `.padEnd(size, "x")
  }
  const single = (write: Plan.SourceWrite) =>
    write._tag === "Remove"
      ? sim.remove(plan.source, write.key)
      : sim.put(plan.source, write.key, value(write.size), write.flags)
  return (all: ReadonlyArray<Plan.SourceWrite>) => {
    const [only] = all
    if (only !== undefined && all.length === 1) return single(only)
    if (all.some((write) => write._tag === "Put" && write.size > 1_000)) {
      return Effect.forEach(all, single, { discard: true })
    }
    const operations = all.map((write) =>
      write._tag === "Remove"
        ? `{"KV":{"Verb":"delete","Key":${JSON.stringify(write.key)}}}`
        : `{"KV":{"Verb":"set","Key":${JSON.stringify(write.key)},"Flags":${write.flags},"Value":"${Encoding.encodeBase64(value(write.size))}"}}`
    )
    return Effect.forEach(
      Arr.chunksOf(operations, operationsEach),
      (some) =>
        sim.request(`${plan.source}-server`, {
          method: "PUT",
          target: "/v1/txn",
          body: encoder.encode(`[${some.join()}]`)
        }),
      { discard: true }
    )
  }
}

/** No more than fit a transaction, so that they move at once. */
const movedKeys = 30

/** A key that `SimConsul` shows by its bytes. */
const textOf = (key: SimConsul.ByteString): string => Buffer.from(key, "latin1").toString()

/** Does what a plan says; what lasts goes on beside it. */
const makeActor = (
  plan: Plan.Plan,
  sim: SimConsul.SimConsul,
  judge: Judge.Judge,
  fabric: Fabric.Fabric,
  instances: ReadonlyArray<Instance.Instance>,
  write: (writes: ReadonlyArray<Plan.SourceWrite>) => Effect.Effect<void>
) => {
  let saved: SimConsul.Snapshot | undefined
  let elections = 0
  let leaderless = 0
  const on = (index: number, use: (instance: Instance.Instance) => Effect.Effect<unknown>) => {
    const instance = instances[index]
    return instance === undefined ? Effect.void : Effect.asVoid(use(instance))
  }
  const during = (
    lasting: number,
    begin: Effect.Effect<unknown>,
    end: Effect.Effect<unknown>
  ): Effect.Effect<void> =>
    begin.pipe(Effect.zipRight(Effect.sleep(Duration.millis(lasting))), Effect.zipRight(end), Effect.asVoid)

  const holderOf = (datacenter: string) =>
    Effect.map(
      sim.entries(datacenter, lock),
      (entries) => entries.find(({ key }) => key === lock)?.session ?? ""
    )

  /** A process that ended as it should, and could, must have left nothing once the agent has told the servers. */
  const stop = (instance: Instance.Instance) =>
    Effect.gen(function* () {
      const before = elections
      const ended = yield* instance.stop.pipe(
        Effect.timeoutFail({
          duration: boundOfStop,
          onTimeout: () => "an instance that was told to stop goes on"
        }),
        Effect.catchAll((violation) => Effect.as(Deferred.fail(judge.violated, violation), undefined))
      )
      yield* Effect.sleep("10 millis")
      if (ended !== undefined && leaderless === 0 && elections === before) yield* judge.checkGone(ended)
    })

  const elect = (datacenter: string, lasting: number) =>
    during(
      lasting,
      Effect.suspend(() => {
        elections += 1
        leaderless += 1
        return sim.setLeader(datacenter, false)
      }),
      Effect.suspend(() => {
        leaderless -= 1
        return sim.setLeader(datacenter, true)
      })
    )

  const act = (action: Plan.Action): Effect.Effect<void> => {
    switch (action._tag) {
      case "Write":
        return write(action.writes)
      case "WriteElsewhere":
        return sim.put(action.datacenter, action.key, "not a replica's")
      case "Drift":
        return action.deletes
          ? sim.remove(action.datacenter, action.key)
          : sim.put(action.datacenter, action.key, "drifted")
      case "Wipe":
        return Effect.flatMap(sim.entries(plan.source, plan.prefix), (entries) =>
          Effect.forEach(entries.slice(1), ({ key }) => sim.remove(plan.source, textOf(key)), {
            discard: true
          })
        )
      case "Move":
        return Effect.flatMap(sim.entries(plan.source, plan.prefix), (entries) =>
          write(
            entries
              .slice(0, movedKeys)
              .map(({ key }) => textOf(key))
              .filter((key) => !key.startsWith(action.to))
              .flatMap(
                (key): ReadonlyArray<Plan.SourceWrite> => [
                  { _tag: "Put", key: action.to + key.slice(plan.prefix.length), size: 4, flags: 0n },
                  { _tag: "Remove", key }
                ]
              )
          )
        )
      case "OverwriteStatus":
        return sim.put(action.datacenter, status, '{"LastReplicated":1}')
      case "DeleteLock":
        return sim.remove(action.datacenter, lock)
      case "EndSession":
        return Effect.flatMap(holderOf(action.datacenter), (id) =>
          id === "" ? Effect.void : sim.destroySession(action.datacenter, id)
        )
      case "Deny":
        return Effect.scoped(
          Effect.zipRight(
            fabric.deny(action.datacenter, action.keys),
            Effect.sleep(Duration.millis(action.lasting))
          )
        )
      case "Election":
        return elect(action.datacenter, action.lasting)
      case "Partition": {
        const [one, other] = action.between
        return during(action.lasting, sim.partition(one, other, action.outage), sim.heal(one, other))
      }
      case "Isolate":
        return on(action.instance, ({ isolate }) =>
          during(action.lasting, isolate(action.how), isolate(undefined))
        )
      case "Freeze":
        return on(action.instance, ({ freeze, thaw }) => during(action.lasting, freeze, thaw))
      case "Kill":
        return on(action.instance, ({ kill, start }) => during(action.lasting, kill, start))
      case "Stop":
        return on(action.instance, (instance) => during(action.lasting, stop(instance), instance.start))
      case "ClockRate":
        return sim.setClockRate(action.of, action.rate)
      case "SaveSource":
        return Effect.map(sim.snapshot(plan.source), (snapshot) => {
          saved = snapshot
        })
      case "RestoreSource":
        return Effect.suspend(() =>
          saved === undefined
            ? Effect.void
            : Effect.zipRight(sim.restore(saved, { rebuilt: action.rebuilt }), judge.sourceRestored)
        )
    }
  }

  const endAll = Effect.gen(function* () {
    for (const datacenter of sim.datacenters) {
      yield* sim.setLeader(datacenter, true)
      yield* sim.setClockRate(datacenter, 1)
      yield* sim.heal(plan.source, datacenter)
    }
    for (const [i, instance] of instances.entries()) {
      yield* sim.setClockRate(Plan.agentOf(plan, i), 1)
      yield* instance.isolate(undefined)
      yield* instance.thaw
      yield* instance.start
    }
  })

  return { act, endAll, stop }
}

const program = (
  plan: Plan.Plan,
  history: History.History,
  distort: Instance.Distort
): Effect.Effect<void, string, Scope.Scope> =>
  Effect.gen(function* () {
    const sim = yield* SimConsul.make(datacenters(plan))
    const write = makeWriter(plan, sim)
    yield* write(plan.initial)
    for (const datacenter of plan.destinations) {
      for (const key of plan.strangers) {
        yield* sim.put(datacenter, plan.destinationPrefix + key, "a stranger's")
      }
    }
    const judge = yield* Judge.make(plan, { lock, status }, history, sim)
    const fabric = yield* Fabric.make(plan, history, sim)
    const replication = yield* Replication.make({
      source: plan.source,
      prefix: plan.prefix,
      destinationPrefix: plan.destinationPrefix,
      reconcile: Duration.millis(plan.reconcile),
      watchShards: plan.divided?.shards ?? 1,
      shardKeys: plan.divided?.keysEach
    }).pipe(Effect.orDie)
    const instances = yield* Effect.forEach(plan.instances, (datacenter, i) => {
      const agent = Plan.agentOf(plan, i)
      const address = sim.agents.find(({ name }) => name === agent)?.address ?? ""
      return Instance.make({ name: agent, agent, datacenter, address, replication, distort }, fabric, history)
    })
    const { act, endAll, stop } = makeActor(plan, sim, judge, fabric, instances, write)

    const converge = (datacenter: string, limit: Duration.Duration) =>
      Effect.gen(function* () {
        const before = yield* Clock.currentTimeMillis
        while (!(yield* judge.isConverged(datacenter))) {
          if ((yield* Clock.currentTimeMillis) - before > Duration.toMillis(limit)) {
            const difference = yield* judge.difference(datacenter)
            return yield* Effect.fail(
              `${datacenter} differs from ${plan.source} ${Duration.format(limit)} after the last event: ${difference}`
            )
          }
          yield* Effect.sleep(poll)
        }
      })

    const story = Effect.gen(function* () {
      for (const instance of instances) yield* instance.start
      let now = 0
      for (const { action, at } of plan.actions) {
        yield* Effect.sleep(Duration.millis(at - now))
        now = at
        history.add(now, Plan.describe(action))
        history.count(action._tag)
        yield* Effect.forkScoped(act(action))
      }
      yield* Effect.sleep(Duration.millis(plan.calmAt - now))
      history.add(plan.calmAt, "all faults end")
      yield* fabric.calm
      yield* endAll
      // What began before may still end, and what is in the network may still arrive.
      yield* Effect.sleep(aftermath)
      yield* endAll
      const settle = (limit: Duration.Duration) =>
        Effect.forEach(plan.destinations, (datacenter) => converge(datacenter, limit), { discard: true })
      yield* settle(boundOf(plan))
      // A query may be blocked still that nobody answers, or that was sent just before a restore: it ends with its
      // wait. Once a change has come through, nothing of the faults is left.
      for (const limit of [bound, boundOfOneChange]) {
        history.add(yield* Clock.currentTimeMillis, "one more change")
        yield* write([{ _tag: "Put", key: `${plan.prefix}last`, size: 4, flags: 7n }])
        yield* settle(limit)
      }
      for (const instance of instances) yield* stop(instance)
    })
    yield* Effect.ensuring(Effect.raceFirst(story, Deferred.await(judge.violated)), Effect.sync(history.end))
  })

const nothing: Instance.Distort = (client) => client

export interface Options {
  /** A mistake in every replicator. */
  readonly distort?: Instance.Distort | undefined
  /** Whether the source is watched in parts, where the seed is not to tell. */
  readonly isDivided?: boolean | undefined
}

/** Plays a seed's history. */
export const simulate = (seed: number, { distort = nothing, isDivided }: Options = {}): Outcome => {
  const plan = Plan.draw(seed, isDivided)
  const history = History.make()
  let duration = 0
  const exit = Stepper.run(
    Effect.scoped(program(plan, history, distort)).pipe(
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
