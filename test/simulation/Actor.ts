/**
 * Performs the actions of a plan: writes at the source, and actions on servers, network and instances.
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as LeaderLock from "../../src/LeaderLock.js"
import type { SimConsul } from "../../src/testing/index.js"
import type { Action, Death, SourceWrite } from "./Action.js"
import type * as Fabric from "./Fabric.js"
import type * as Instance from "./Instance.js"
import type * as Judge from "./Judge.js"
import * as Plan from "./Plan.js"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The most bytes of a value that Consul accepts by default. */
const usualValueSize = 524_288

/** The most operations of a transaction of Consul. */
const operationsEach = 64

/** The writes at the source. Each value is new. */
export const makeWriter = (plan: Plan.Plan, sim: SimConsul.SimConsul) => {
  let writes = 0
  const value = (size: number) => {
    writes += 1
    return `${writes} `.padEnd(size, "x")
  }
  const single = (write: SourceWrite) => {
    const datacenter = Plan.sourceOf(plan, write.key)
    return write._tag === "Remove"
      ? sim.remove(datacenter, write.key)
      : sim.put(datacenter, write.key, value(write.size), write.flags)
  }
  const together = (datacenter: string, all: ReadonlyArray<SourceWrite>) => {
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
        sim.request(`${datacenter}-server`, {
          method: "PUT",
          target: "/v1/txn",
          body: encoder.encode(`[${some.join()}]`)
        }),
      { discard: true }
    )
  }
  return (all: ReadonlyArray<SourceWrite>): Effect.Effect<void> => {
    const datacenters = [...new Set(all.map(({ key }) => Plan.sourceOf(plan, key)))]
    return Effect.forEach(
      datacenters,
      (datacenter) =>
        together(
          datacenter,
          all.filter(({ key }) => Plan.sourceOf(plan, key) === datacenter)
        ),
      { discard: true }
    )
  }
}

/** The most keys of a moved folder: they fit a transaction, so that they move at once. */
const movedKeys = 30

/** The longest time until an instance ends: four requests of 1.5 s each, one after another, and the delays of the network. */
export const boundOfStop = Duration.seconds(8)

/** The characters of a key that `SimConsul` returns as bytes. */
const textOf = (key: SimConsul.ByteString): string => Buffer.from(key, "latin1").toString()

const { lock, service } = LeaderLock.defaults
/** The lock of another tool, and its session. */
const foreignLock = "service/other/leader"

export interface Actor {
  readonly act: (action: Action) => Effect.Effect<void>
  /** Ends all lasting actions, and lets every instance run. */
  readonly endAll: Effect.Effect<void>
  /** Ends the refusals that `calm` does not end, which were permanent for the replicators. */
  readonly relent: Effect.Effect<void>
  readonly stop: (instance: Instance.Instance) => Effect.Effect<void>
}

/** Performs the actions of a plan. Lasting actions run concurrently. */
export const makeActor = (
  plan: Plan.Plan,
  sim: SimConsul.SimConsul,
  judge: Judge.Judge,
  fabric: Fabric.Fabric,
  instances: ReadonlyArray<Instance.Instance>,
  write: (writes: ReadonlyArray<SourceWrite>) => Effect.Effect<void>
): Actor => {
  const savedOf = new Map<string, SimConsul.Snapshot>()
  let saved: SimConsul.Snapshot | undefined
  /** Sources that are gone for good. */
  const dead = new Set<string>()
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

  /** Checks that a process that ended undisturbed has left nothing, once its agent has synchronized with the servers. */
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

  /** Sends a request of another client to a server of a datacenter. */
  const ask = (datacenter: string, target: string, body: string) =>
    Effect.map(
      sim.request(`${datacenter}-server`, { method: "PUT", target, body: encoder.encode(body) }),
      (response) => decoder.decode(response.body)
    )

  /** Sets the reachability of a source's servers for every destination. */
  const die = (datacenter: string, how: Death): Effect.Effect<void> =>
    how === "unanswered"
      ? fabric.silence(datacenter)
      : Effect.forEach(plan.destinations, (destination) => sim.partition(datacenter, destination, how), {
          discard: true
        })
  const revive = (datacenter: string): Effect.Effect<void> =>
    dead.has(datacenter)
      ? Effect.void
      : Effect.zipRight(
          fabric.hear(datacenter),
          Effect.forEach(plan.destinations, (destination) => sim.heal(datacenter, destination), {
            discard: true
          })
        )

  const forge = (datacenter: string, holdsLock: boolean) =>
    Effect.gen(function* () {
      // A session with this name does not belong to the service by its name alone.
      const name = holdsLock ? "somebody else" : service
      const created = yield* ask(datacenter, "/v1/session/create", JSON.stringify({ Name: name, Checks: [] }))
      const [session = ""] = /[0-9a-f-]{36}/.exec(created) ?? []
      if (holdsLock) yield* ask(datacenter, `/v1/kv/${foreignLock}?acquire=${session}`, "theirs")
      const forged = {
        LastReplicated: 1,
        Source: plan.source,
        Prefix: plan.prefix,
        DestinationPrefix: plan.destinationPrefix,
        State: "comparing",
        Instance: "somebody else",
        Session: session,
        Time: "2026-01-01T00:00:00.000Z"
      }
      yield* sim.put(datacenter, plan.status, JSON.stringify(forged))
    })

  const act = (action: Action): Effect.Effect<void> => {
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
        return Effect.flatMap(sim.entries(Plan.sourceOf(plan, action.prefix), action.prefix), (entries) =>
          Effect.forEach(
            entries.slice(1),
            ({ key }) => sim.remove(Plan.sourceOf(plan, action.prefix), textOf(key)),
            { discard: true }
          )
        )
      case "Move":
        return Effect.flatMap(sim.entries(plan.source, plan.prefix), (entries) =>
          write(
            entries
              .slice(0, movedKeys)
              .map(({ key }) => textOf(key))
              .filter((key) => !key.startsWith(action.to))
              .flatMap(
                (key): ReadonlyArray<SourceWrite> => [
                  { _tag: "Put", key: action.to + key.slice(plan.prefix.length), size: 4, flags: 0n },
                  { _tag: "Remove", key }
                ]
              )
          )
        )
      case "OverwriteStatus":
        return sim.put(action.datacenter, plan.status, '{"LastReplicated":1}')
      case "DeleteLock":
        return sim.remove(action.datacenter, lock)
      case "EndSession":
        return Effect.flatMap(holderOf(action.datacenter), (id) =>
          id === "" ? Effect.void : sim.destroySession(action.datacenter, id)
        )
      case "EndStandbySessions":
        return Effect.flatMap(
          Effect.all([holderOf(action.datacenter), sim.sessions(action.datacenter)]),
          ([holder, sessions]) =>
            Effect.forEach(
              sessions.filter(({ id, name }) => id !== holder && name.endsWith(` for ${lock}`)),
              ({ id }) => sim.destroySession(action.datacenter, id),
              { discard: true }
            )
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
      case "Reload":
        judge.configured(action.configuration)
        return Effect.forEach(instances, ({ reload }) => reload(action.configuration), { discard: true })
      case "SourceDies": {
        const { datacenter, how, lasting } = action
        if (lasting !== undefined) return during(lasting, die(datacenter, how), revive(datacenter))
        return Effect.suspend(() => {
          judge.sourceDied(datacenter)
          dead.add(datacenter)
          return die(datacenter, how)
        })
      }
      case "ClockRate":
        return sim.setClockRate(action.of, action.rate)
      case "DeleteTree":
        return Effect.asVoid(
          ask(
            action.datacenter,
            "/v1/txn",
            `[{"KV":{"Verb":"delete-tree","Key":${JSON.stringify(action.prefix)}}}]`
          )
        )
      case "ForgeStatus":
        return forge(action.datacenter, action.holdsLock)
      case "Configure":
        return sim.configure(action.datacenter, action.settings)
      case "LimitRequests": {
        const agent = Plan.agentOf(plan, action.instance)
        return during(
          action.lasting,
          sim.limitRequests(agent, action.limit),
          sim.limitRequests(agent, undefined)
        )
      }
      case "SetClock":
        return on(action.instance, ({ setClock }) => setClock(action.by))
      case "RefuseLarge":
        judge.spare([action.key])
        return fabric.refuseLarge(action.datacenter, action.key, action.status)
      case "Corrupt":
        judge.spare([plan.destinationPrefix + action.key.slice(plan.prefix.length)])
        return fabric.corrupt(action.key)
      case "SaveDestination":
        return Effect.map(sim.snapshot(action.datacenter), (snapshot) => {
          savedOf.set(action.datacenter, snapshot)
        })
      case "RestoreDestination": {
        const snapshot = savedOf.get(action.datacenter)
        return snapshot === undefined
          ? Effect.void
          : Effect.zipRight(sim.restore(snapshot), judge.destinationRestored(action.datacenter))
      }
      case "SaveSource":
        return Effect.map(sim.snapshot(plan.source), (snapshot) => {
          saved = snapshot
        })
      case "RestoreSource":
        return Effect.suspend(() =>
          saved === undefined
            ? Effect.void
            : Effect.zipRight(
                sim.restore(saved, { rebuilt: action.rebuilt }),
                judge.sourceRestored(plan.source)
              )
        )
    }
  }

  const endAll = Effect.gen(function* () {
    for (const datacenter of sim.datacenters) {
      yield* sim.setLeader(datacenter, true)
      yield* sim.setClockRate(datacenter, 1)
    }
    for (const source of Plan.sourcesOf(plan)) yield* revive(source)
    for (const [i, instance] of instances.entries()) {
      yield* sim.setClockRate(Plan.agentOf(plan, i), 1)
      yield* sim.limitRequests(Plan.agentOf(plan, i), undefined)
      yield* instance.isolate(undefined)
      yield* instance.thaw
      yield* instance.start
    }
  })

  const relent = Effect.gen(function* () {
    yield* fabric.relent
    for (const datacenter of plan.destinations) {
      yield* sim.configure(datacenter, { kvMaxValueSize: usualValueSize })
    }
    judge.spareNothing()
  })

  return { act, endAll, relent, stop }
}
