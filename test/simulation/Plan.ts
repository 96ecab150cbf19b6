/**
 * The plan of a simulated history, drawn from its seed: the datacenters and instances, the faults of requests, and the actions
 * with their times.
 */

import * as Replication from "../../src/Replication.js"
import type { SimConsul } from "../../src/testing/index.js"
import type { Action, SourceWrite, Timed } from "./Action.js"
import * as Dice from "./Dice.js"
import type { Configuration, Route } from "./Route.js"
import * as Trials from "./Trials.js"

/** A fate of a request, other than a prompt answer. */
export type Fate =
  | "refused"
  | "unanswered"
  | "answer lost"
  | "late"
  | "twice"
  | "no leader"
  | "rate limited"
  | "denied"
  | "failed"
  | "stale"
  | "truncated"
  | "malformed"
  | "foreign"
  | "without index"
  | "empty body"
  /** A source answers for a while that it has no keys, except to consistent reads. */
  | "emptied"
  /** A blocking query is not woken by changes: its connection is dead, or its server has forgotten it. */
  | "unwoken"
  /** This fate and the following ones occur only in trials. A list of entries has an additional key that was not requested. */
  | "entry outside"
  /** A list of the source lacks some keys that the destination has. */
  | "names missing"
  /** An entry of a list is malformed, or occurs twice. */
  | "bad value"
  | "bad index"
  | "bad flags"
  | "lone surrogate"
  | "duplicate"
  /** A large value is in flight for longer than its client waits for the answer. */
  | "delayed"
  /** A read of the source is refused with 400, which a retry cannot fix. */
  | "rejected"
  /** A transaction is refused because there were too many requests. */
  | "limited"

/** The weight of each fate among the fates of a plan. */
export const weights: Readonly<Record<Fate, number>> = {
  refused: 3,
  unanswered: 1,
  "answer lost": 5,
  late: 5,
  twice: 3,
  "no leader": 2,
  "rate limited": 2,
  denied: 1,
  failed: 2,
  stale: 4,
  truncated: 2,
  malformed: 1,
  foreign: 1,
  "without index": 1,
  "empty body": 1,
  emptied: 4,
  unwoken: 4,
  "entry outside": 4,
  "names missing": 4,
  "bad value": 2,
  "bad index": 2,
  "bad flags": 2,
  "lone surrogate": 2,
  duplicate: 2,
  delayed: 10,
  rejected: 8,
  limited: 8
}

export const fates = Object.keys(weights) as ReadonlyArray<Fate>

const wholeFates = fates.slice(0, fates.indexOf("unwoken"))

/** A plan. As a route, it is that of the main replication, which most actions affect. */
export interface Plan extends Route {
  readonly seed: number
  /** The further replications. */
  readonly beside: ReadonlyArray<Route>
  /** The first configuration of the instances. */
  readonly configuration: Configuration
  readonly destinations: readonly [string, ...ReadonlyArray<string>]
  /** The datacenter of each instance. Each instance has its own agent there. */
  readonly instances: ReadonlyArray<string>
  /** Whether the instances have no agent: each request reaches another agent of their datacenter. */
  readonly agentless: boolean
  /** The first keys of the source. */
  readonly initial: ReadonlyArray<SourceWrite>
  /** The keys under the prefix that only the destinations have at first. */
  readonly strangers: ReadonlyArray<string>
  /** The possible fates of requests. */
  readonly fates: ReadonlyArray<Fate>
  /** The keys of each shard, and the number of shards. Undefined if the source is watched with one query. */
  readonly divided: { readonly shards: number; readonly keysEach: number } | undefined
  /** The share of the requests that have one of `fates`. */
  readonly disturbed: number
  /** The longest time in flight in each direction, in ms. */
  readonly latency: number
  /** The trials of the history. */
  readonly trials: ReadonlyArray<Trials.Trial>
  /** The first settings of the destinations. */
  readonly settings: Partial<SimConsul.Settings>
  /** The time after which a balancer ends a blocking query with 504, in ms. Undefined without a balancer. */
  readonly longestWait: number | undefined
  /** The bytes of a source's answer that arrive in a second. Undefined without a slow link. */
  readonly bytesPerSecond: number | undefined
  /** The longest time in which an answer arrives over a slow link, in s. */
  readonly slowness: number
  /** The keys of the replicas that the servers refuse with their first settings. */
  readonly spared: ReadonlyArray<string>
  /** The most leaderships of each destination before the end of all faults. */
  readonly mostLeaderships: number
  /** The time between two full comparisons in the first configuration, in ms. */
  readonly reconcile: number
  /** The end of all faults, in ms. */
  readonly calmAt: number
  readonly actions: ReadonlyArray<Timed>
}

/** All replications of a plan. */
export const routesOf = (plan: Plan): readonly [Route, ...ReadonlyArray<Route>] => [plan, ...plan.beside]

/** The datacenters of all sources. */
export const sourcesOf = (plan: Plan): ReadonlyArray<string> => [
  ...new Set(routesOf(plan).map(({ source }) => source))
]

/** The datacenter of the source that has a key. */
export const sourceOf = (plan: Plan, key: string): string =>
  plan.beside.find(({ prefix }) => key.startsWith(prefix))?.source ?? plan.source

const odd = ["", "a", "b", "c", "a//b", "line\nbreak", "é", "😀", "x/../y", "deep/er/than/most", "%2F", "a "]

/** A value of this size fits no transaction. */
const large = 420_000

const write = (dice: Dice.Dice, prefix: string, withLarge: boolean): SourceWrite => {
  const simple = `${prefix}k${dice.between(0, 9)}`
  const key = dice.chance(0.5) ? simple : prefix + dice.pick(["folder/", ...odd])
  if (dice.chance(0.3)) return { _tag: "Remove", key }
  const flags = dice.pick([0n, 0n, 0n, 42n, 2n ** 64n - 1n])
  // A key that no path can carry has no large value. Two keys with large values are enough, because each is read often.
  return withLarge && dice.chance(0.15)
    ? { _tag: "Put", key: `${prefix}k${dice.between(0, 1)}`, size: large, flags }
    : { _tag: "Put", key, size: dice.between(0, 12), flags }
}

/** Writes or removes of up to 150 keys, which may not fit one transaction. */
const burst = (dice: Dice.Dice, prefix: string): ReadonlyArray<SourceWrite> => {
  const removes = dice.chance(0.3)
  const first = dice.between(0, 60)
  return Array.from({ length: dice.between(20, 150) }, (_, i) => {
    const key = `${prefix}many/${first + i}`
    return removes ? { _tag: "Remove", key } : { _tag: "Put", key, size: 4, flags: 0n }
  })
}

const disturbance = (
  dice: Dice.Dice,
  plan: Pick<Plan, "source" | "destinations" | "instances" | "prefix" | "destinationPrefix">
): Action => {
  const { destinationPrefix, destinations, instances, prefix, source } = plan
  const datacenter = dice.pick(destinations)
  const instance = dice.between(0, instances.length - 1)
  switch (
    dice.weighted({
      Elsewhere: 2,
      Drift: 3,
      Wipe: 1,
      Status: 1,
      Lock: 1,
      Session: 2,
      Election: 3,
      Partition: 2,
      Isolate: 3,
      Freeze: 3,
      Kill: 3,
      Stop: 2,
      Rate: 2,
      Save: 2,
      Restore: 2
    })
  ) {
    case "Elsewhere":
      return { _tag: "WriteElsewhere", datacenter, key: dice.pick(["copyist", "other/key", "service/x"]) }
    case "Drift":
      return {
        _tag: "Drift",
        datacenter,
        key: destinationPrefix + dice.pick(["k1", "k2", "many/30", "stray", "folder/"]),
        deletes: dice.chance(0.4)
      }
    case "Wipe":
      return { _tag: "Wipe", prefix }
    case "Status":
      return { _tag: "OverwriteStatus", datacenter }
    case "Lock":
      return { _tag: "DeleteLock", datacenter }
    case "Session":
      return { _tag: "EndSession", datacenter }
    case "Election":
      return {
        _tag: "Election",
        datacenter: dice.pick([source, ...destinations]),
        lasting: dice.between(300, 12_000)
      }
    case "Partition":
      return {
        _tag: "Partition",
        between: [source, datacenter],
        outage: dice.pick(["refused", "no path"]),
        lasting: dice.between(500, 15_000)
      }
    case "Isolate":
      return {
        _tag: "Isolate",
        instance,
        how: dice.pick(["refused", "unanswered"]),
        lasting: dice.between(500, 10_000)
      }
    case "Freeze":
      return { _tag: "Freeze", instance, lasting: dice.between(500, 15_000) }
    case "Kill":
      return { _tag: "Kill", instance, lasting: dice.between(0, 8_000) }
    case "Stop":
      return { _tag: "Stop", instance, lasting: dice.between(0, 8_000) }
    case "Rate":
      return {
        _tag: "ClockRate",
        of: dice.pick([source, ...destinations, agentOf(plan, instance)]),
        rate: dice.pick([0.3, 0.7, 1.5, 4])
      }
    case "Save":
      return { _tag: "SaveSource" }
    case "Restore":
      return { _tag: "RestoreSource", rebuilt: dice.chance(0.5) }
  }
}

/** The name of an instance's agent. */
export const agentOf = ({ instances }: Pick<Plan, "instances">, instance: number): string =>
  `${instances[instance]}-${instance}`

/**
 * In a quarter of the seeds, tokens must not change some keys for a while: fewer keys than are tried at once, some for so long
 * that they are tried several times.
 */
const withDenials = (all: Plan): Plan => {
  const dice = Dice.make(all.seed, "rights")
  if (!dice.chance(0.25)) return all
  const isLong = dice.chance(0.3)
  const plan = isLong ? { ...all, calmAt: all.calmAt + 130_000 } : all
  const keys = [..."0123456789"].map((digit) => `k${digit}`)
  const denials = Array.from(
    { length: dice.between(1, 3) },
    (): Timed => ({
      at: dice.between(0, plan.calmAt),
      action: {
        _tag: "Deny",
        datacenter: dice.pick(plan.destinations),
        keys: dice
          .some([...keys, "many/30", "many/31", "stray", "folder/"], 0.3)
          .map((key) => plan.destinationPrefix + key),
        lasting: isLong ? dice.between(70_000, 150_000) : dice.between(500, 15_000)
      }
    })
  )
  return { ...plan, actions: [...plan.actions, ...denials].sort((a, b) => a.at - b.at) }
}

export interface Wishes {
  /** Whether the source is watched in shards. */
  readonly isDivided?: boolean | undefined
  readonly trials?: ReadonlyArray<Trials.Trial> | undefined
}

/** The seed decides unless an option does. Half of the seeds have a source that is watched in shards. */
export const draw = (seed: number, { isDivided, trials }: Wishes = {}): Plan =>
  Trials.add(drawUsual(seed, isDivided), trials ?? Trials.draw(seed))

const drawUsual = (seed: number, isDivided: boolean | undefined): Plan => {
  const plan = withDenials(drawWhole(seed))
  const dice = Dice.make(seed, "parts")
  const drawn = dice.chance(0.5)
  if (!(isDivided ?? drawn)) return plan
  const { prefix } = plan
  // A key that no path can carry is read with all others, which hides mistakes in the shards.
  const isPlain = dice.chance(0.7)
  const plain = (write: SourceWrite): SourceWrite => ({
    ...write,
    key: write.key.replace(/[^\w/-]|\/(?=\/|$)/g, "_")
  })
  const moves = Array.from(
    { length: dice.between(0, 3) },
    (): Timed => ({
      at: dice.between(0, plan.calmAt),
      action: {
        _tag: "Move",
        to: `${prefix}${dice.pick(["a", "n", "many/", "z/z/", "é"])}${dice.between(0, 9)}`
      }
    })
  )
  const actions = plan.actions.map(
    ({ action, at }): Timed =>
      isPlain && action._tag === "Write"
        ? { at, action: { ...action, writes: action.writes.map(plain) } }
        : { action, at }
  )
  return {
    ...plan,
    divided: { shards: dice.between(3, 8), keysEach: dice.between(3, 8) },
    initial: isPlain ? plan.initial.map(plain) : plan.initial,
    fates: [...plan.fates, ...(dice.chance(0.4) ? (["unwoken"] as const) : [])],
    actions: [...actions, ...moves].sort((a, b) => a.at - b.at)
  }
}

const drawWhole = (seed: number): Plan => {
  const dice = Dice.make(seed, "plan")
  const source = "nyc1"
  const destinations: Plan["destinations"] = dice.chance(0.25) ? ["sfo1", "ams2"] : ["sfo1"]
  const instances =
    destinations.length === 2
      ? ["sfo1", "ams2", "sfo1"].slice(0, dice.between(2, 3))
      : // One alone, now and then: nobody takes over from it, and what it left in the network meets a free lock.
        Array.from({ length: dice.pick([1, 2, 2, 3, 3]) }, () => "sfo1")
  const prefix = "global/"
  const destinationPrefix = dice.pick([prefix, prefix, "copy/of/"])
  const withLarge = dice.chance(0.15)
  const calmAt = dice.between(10_000, 40_000)
  const actions: Array<Timed> = []
  const at = () => dice.between(0, calmAt)
  for (let i = dice.between(5, 25); i > 0; i--) {
    const writes = dice.chance(0.1)
      ? burst(dice, prefix)
      : Array.from({ length: dice.pick([1, 1, 1, 2, 5]) }, () => write(dice, prefix, withLarge))
    actions.push({ at: at(), action: { _tag: "Write", writes } })
  }
  for (let i = dice.between(1, 8); i > 0; i--) {
    const action = disturbance(dice, { source, destinations, instances, prefix, destinationPrefix })
    // If the lock is deleted while a large value is in flight, the value may land until the next leader has ended the session:
    // the gap that the documentation of the writer states.
    if (withLarge && action._tag === "DeleteLock") continue
    actions.push({ at: at(), action })
  }
  const initial = dice.chance(0.2)
    ? burst(dice, prefix)
    : Array.from({ length: dice.between(0, 12) }, () => write(dice, prefix, withLarge))
  const strangers = dice.some(["stranger", "k1", "a", "many/3"], 0.3)
  const drawnFates = dice.some(wholeFates, 0.4)
  const disturbed = dice.pick([0, 0.02, 0.1, 0.25])
  const latency = dice.pick([0, 2, 50])
  const reconcile = dice.pick([2_000, 5_000])
  return {
    seed,
    source,
    destinations,
    instances,
    prefix,
    destinationPrefix,
    status: Replication.defaults.status,
    exclude: [],
    beside: [],
    configuration: [{ prefix, reconcile }],
    agentless: false,
    initial,
    strangers,
    divided: undefined,
    fates: drawnFates,
    disturbed,
    trials: [],
    settings: {},
    longestWait: undefined,
    bytesPerSecond: undefined,
    slowness: 0,
    spared: [],
    mostLeaderships: Number.POSITIVE_INFINITY,
    latency,
    reconcile,
    calmAt,
    actions: actions.sort((a, b) => a.at - b.at)
  }
}
