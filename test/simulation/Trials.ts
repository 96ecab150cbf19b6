/**
 * The trials: unusual events that a history may have. Every trial can be played alone. Each trial has its own dice, so that the
 * other events of a seed stay the same.
 */
import type { SourceWrite } from "./Action.js"
import * as Dice from "./Dice.js"
import type { Plan } from "./Plan.js"
import { put, times, withActions, withFates, withoutTrouble, write } from "./PlanChanges.js"
import { withSeveralReplications } from "./SeveralReplications.js"
import { exactFlags, excludedNames, excludes, hardNames, keyNames, smallLimits } from "./TrialValues.js"

export const trials = [
  /** A folder is deleted from above: Consul leaves one tombstone, which no longer prefix counts. */
  "recursive delete",
  /** The destination is restored from a snapshot, with status, lock and sessions. */
  "restored destination",
  /** Lists with a key that was not requested. */
  "entry outside",
  /** Lists that lack keys. */
  "names missing",
  /** Entries that no server would answer. */
  "unbelievable entry",
  /** A key of the source whose value stays malformed. */
  "corrupted key",
  /** Agents started with `-dev`. */
  "indented json",
  /** Keys that no path can carry, and agents that begin to refuse more keys or fewer. */
  "unnameable keys",
  /** Agents that decode a path twice. */
  "decoded twice",
  "clock set",
  /** Large values that land long after their client has stopped waiting. */
  "delayed large value",
  /** Large values that are refused for good. */
  "refused large value",
  /** A status that names the session of another tool. */
  "forged status",
  "rate limit",
  /** A balancer that ends blocking queries. */
  "waits cut short",
  /** A link on which answers of the source take long. */
  "slow link",
  /** Servers that accept only smaller values and transactions, and longer TTLs. */
  "small limits",
  /** Keys that are left alone on both sides. */
  "excluded keys",
  /** Instances without an agent, whose requests reach another agent each time. */
  "no agent",
  /** Replications that come and go, and one whose source dies. */
  "several replications"
] as const

export type Trial = (typeof trials)[number]

/** A large value would take hours on a slow link. */
const withoutSlowLink: ReadonlySet<Trial> = new Set([
  "delayed large value",
  "refused large value",
  "small limits"
])

const areTogether = (one: Trial, other: Trial): boolean =>
  !(one === "slow link" && withoutSlowLink.has(other)) && !(other === "slow link" && withoutSlowLink.has(one))

/** The trials that are distributed over the seeds. */
const inTurn = trials.filter((trial) => trial !== "several replications")

/**
 * The trials are distributed over successive seeds: a few dozen seeds have every trial. One seed in five has none, and some have
 * a second one. A quarter of the seeds also have several replications.
 */
export const draw = (seed: number): ReadonlyArray<Trial> => {
  const dice = Dice.make(seed, "trials")
  const several = Dice.make(seed, "several").chance(0.25) ? (["several replications"] as const) : []
  const turn = Math.floor((seed * 4) / 5)
  const own = seed % 5 === 0 ? [] : dice.some([inTurn[turn % inTurn.length] ?? trials[0]], 1)
  const second = dice.chance(0.15)
    ? dice.some([inTurn[dice.between(0, inTurn.length - 1)] ?? trials[0]], 1)
    : []
  const together = second.filter((other) => own.every((one) => areTogether(one, other)))
  return [...new Set([...several, ...own, ...together])]
}

export const add = (plan: Plan, wanted: ReadonlyArray<Trial>): Plan => {
  const all = wanted.reduce((plan, trial) => {
    const added = additions[trial](plan, Dice.make(plan.seed, trial))
    return { ...added, trials: [...plan.trials, trial] }
  }, plan)
  // Another trial may add faults that end the lock.
  return wanted.length > 1 ? { ...all, mostLeaderships: plan.mostLeaderships } : all
}

/** About the size of a small entry in an answer, in bytes. */
const entryBytes = 130

/** The size of a large value, in bytes, as in the plan. */
const large = 420_000

/** Repeated writes of large values for two keys that a path can carry. */
const withLarge = (plan: Plan, dice: Dice.Dice, keys: readonly [string, ...ReadonlyArray<string>]): Plan =>
  withActions(
    // If the lock is deleted while a large value is in flight, the value may land: the documented gap of the writer.
    { ...plan, actions: plan.actions.filter(({ action }) => action._tag !== "DeleteLock") },
    times(dice, 4, 8, plan, () => write(put(plan.prefix + dice.pick(keys), large + dice.between(0, 9))))
  )

const withoutLarge = (plan: Plan): Plan => {
  const small = (all: ReadonlyArray<SourceWrite>) =>
    all.map((one) => (one._tag === "Put" ? { ...one, size: Math.min(one.size, 12) } : one))
  return {
    ...plan,
    initial: small(plan.initial),
    actions: plan.actions.map(({ action, at }) =>
      action._tag === "Write" ? { at, action: write(...small(action.writes)) } : { action, at }
    )
  }
}

const additions: Record<Trial, (plan: Plan, dice: Dice.Dice) => Plan> = {
  "recursive delete": (plan, dice) => {
    const { destinationPrefix, destinations, prefix, source } = plan
    const above = (of: string): readonly [string, ...ReadonlyArray<string>] => [
      of,
      of.slice(0, -1),
      of.slice(0, of.indexOf("/")),
      of.slice(0, 3),
      `${of}many/`,
      `${of}many`,
      `${of}k`
    ]
    // The index of the replica is that of a delete. The tombstone of a delete of the folder above does not count.
    const last = [
      { at: plan.calmAt - 2_000, action: write(put(`${prefix}k8`, 4)) },
      { at: plan.calmAt - 1_500, action: write({ _tag: "Remove", key: `${prefix}k8` }) },
      {
        at: plan.calmAt,
        action: {
          _tag: "DeleteTree",
          datacenter: dice.pick(destinations),
          prefix: dice.pick(above(destinationPrefix))
        }
      }
    ] as const
    if (dice.chance(0.5)) return withActions(plan, last)
    return withActions(plan, [
      ...times(dice, 1, 3, plan, () => ({
        _tag: "DeleteTree",
        datacenter: dice.pick(destinations),
        prefix: dice.pick(above(destinationPrefix))
      })),
      ...times(dice, 0, 1, plan, () => ({
        _tag: "DeleteTree",
        datacenter: source,
        prefix: dice.pick(above(prefix))
      }))
    ])
  },
  "restored destination": (plan, dice) => {
    const datacenter = dice.pick(plan.destinations)
    return withActions(
      // A restored session that does not hold the restored lock still lets large values land, until it has ended.
      withoutLarge(plan),
      Array.from({ length: dice.between(1, 2) }).flatMap(() => {
        const saved = dice.between(0, plan.calmAt)
        return [
          { at: saved, action: { _tag: "SaveDestination", datacenter } },
          {
            at: dice.between(saved, plan.calmAt),
            action: { _tag: "RestoreDestination", datacenter }
          }
        ] as const
      })
    )
  },
  "entry outside": (plan) => withFates(plan, ["entry outside"]),
  "names missing": (plan) => withFates(plan, ["names missing"]),
  "unbelievable entry": (plan) =>
    withFates(plan, ["bad value", "bad index", "bad flags", "lone surrogate", "duplicate"]),
  "corrupted key": (plan, dice) =>
    withActions(plan, [
      ...times(dice, 1, 2, plan, () => ({
        _tag: "Corrupt",
        key: plan.prefix + dice.pick(["k2", "k3", "k4"])
      })),
      ...times(dice, 2, 5, plan, () => write(put(plan.prefix + dice.pick(["k2", "k3", "k4", "k5"]), 6)))
    ]),
  "indented json": (plan, dice) =>
    withActions(
      { ...plan, settings: { ...plan.settings, indentedJson: true } },
      times(dice, 1, 4, plan, () =>
        write(put(plan.prefix + dice.pick(["k5", "k6", "k7"]), 6, dice.pick(exactFlags)))
      )
    ),
  "unnameable keys": (plan, dice) =>
    withActions(plan, [
      ...times(dice, 2, 8, plan, () =>
        write(
          dice.chance(0.25)
            ? { _tag: "Remove", key: plan.prefix + dice.pick(hardNames) }
            : put(plan.prefix + dice.pick(hardNames), 5)
        )
      ),
      ...times(dice, 0, 2, plan, () => ({
        _tag: "Drift",
        datacenter: dice.pick(plan.destinations),
        key: plan.destinationPrefix + dice.pick(hardNames),
        deletes: dice.chance(0.3)
      })),
      ...times(dice, 0, 3, plan, () => ({
        _tag: "Configure",
        datacenter: dice.pick(plan.destinations),
        settings: { keyNames: dice.pick(keyNames) }
      }))
    ]),
  "decoded twice": (plan, dice) =>
    withActions({ ...plan, settings: { ...plan.settings, decodesPathsTwice: true } }, [
      ...times(dice, 1, 4, plan, () =>
        write(put(plan.prefix + dice.pick(["%2F", "a%2Fb", "a/b", "100%", "%25"]), 5))
      ),
      ...times(dice, 0, 1, plan, () => ({
        _tag: "Configure",
        datacenter: dice.pick(plan.destinations),
        settings: { decodesPathsTwice: false }
      }))
    ]),
  "clock set": (plan, dice) =>
    withActions(
      dice.chance(0.5) ? withoutTrouble(plan) : plan,
      times(dice, 1, 3, plan, () => ({
        _tag: "SetClock",
        instance: dice.between(0, plan.instances.length - 1),
        by: dice.pick([-86_400_000, -3_600_000, -30_000, 30_000, 3_600_000, 86_400_000])
      }))
    ),
  "delayed large value": (plan, dice) => {
    const keys = ["k0", "k1"] as const
    const both = withLarge(plan, dice, keys)
    // A comparison that puts them right is interrupted where the stream of changes fails.
    const races = times(dice, 4, 8, plan, () => ({
      _tag: "Drift",
      datacenter: dice.pick(plan.destinations),
      key: plan.destinationPrefix + dice.pick(keys),
      deletes: dice.chance(0.5)
    })).flatMap((drift) => {
      const after = (ms: number, key: string, size: number) =>
        ({ at: Math.min(plan.calmAt, drift.at + ms), action: write(put(plan.prefix + key, size)) }) as const
      return [
        drift,
        after(plan.reconcile + 500, "k9", 3),
        after(plan.reconcile + 1_500, dice.pick(keys), large)
      ]
    })
    return {
      ...withActions(both, races),
      // Most other faults would restart the watch.
      disturbed: Math.min(plan.disturbed, 0.02),
      fates: [...plan.fates, "delayed", "rejected"]
    }
  },
  "refused large value": (plan, dice) =>
    withActions(withLarge(plan, dice, ["k0", "k1"]), [
      {
        at: dice.between(0, plan.calmAt),
        action: {
          _tag: "RefuseLarge",
          datacenter: dice.pick(plan.destinations),
          key: `${plan.destinationPrefix}k0`,
          status: dice.pick([400, 405, 500])
        }
      }
    ]),
  "forged status": (plan, dice) =>
    withActions(
      plan,
      times(dice, 1, 3, plan, () => ({
        _tag: "ForgeStatus",
        datacenter: dice.pick(plan.destinations),
        holdsLock: dice.chance(0.5)
      }))
    ),
  "rate limit": (plan, dice) =>
    withFates(
      withActions(
        plan,
        times(dice, 1, 2, plan, () => ({
          _tag: "LimitRequests",
          instance: dice.between(0, plan.instances.length - 1),
          limit: {
            perSecond: dice.pick([1, 3, 10]),
            status: dice.pick([429, 503] as const),
            ...(dice.chance(0.5) && { retryAfter: dice.pick(["1 second", "3 seconds"] as const) })
          },
          lasting: dice.between(2_000, 15_000)
        }))
      ),
      ["limited"]
    ),
  // A query that ends before `cutOffAfter` of `BlockingQuery.ts` has failed, and after a failure everything is read again.
  "waits cut short": (plan, dice) => ({ ...plan, longestWait: dice.pick([6_000, 8_000, 20_000]) }),
  "slow link": (plan, dice) => {
    const small = withoutLarge(plan)
    const keys = new Set(
      [
        ...small.initial,
        ...small.actions.flatMap(({ action }) => (action._tag === "Write" ? action.writes : []))
      ].map(({ key }) => key)
    )
    const slowness = dice.pick([10, 30, 300])
    return {
      ...small,
      slowness,
      bytesPerSecond: Math.ceil((keys.size * entryBytes) / slowness)
    }
  },
  "small limits": (plan, dice) => {
    const limits = dice.pick(smallLimits)
    return {
      ...withActions(
        withLarge(plan, dice, ["k0"]),
        // Consul quotes the key of a refused value. The client must not confuse the name of the key with a text of Consul.
        times(dice, 1, 4, plan, () => write(put(`${plan.prefix}operations/runbook`, 3_000)))
      ),
      settings: { ...plan.settings, ...limits },
      spared:
        limits.kvMaxValueSize === undefined
          ? plan.spared
          : ["k0", "k1", "operations/runbook"].map((key) => plan.destinationPrefix + key)
    }
  },
  "excluded keys": (plan, dice) =>
    withActions(
      { ...plan, exclude: excludes, strangers: [...new Set([...plan.strangers, "k1", "many/own"])] },
      times(dice, 2, 6, plan, () => ({
        _tag: "Drift",
        datacenter: dice.pick(plan.destinations),
        key: plan.destinationPrefix + dice.pick(excludedNames),
        deletes: dice.chance(0.3)
      }))
    ),
  "several replications": withSeveralReplications,
  "no agent": (plan, dice) => {
    // Longer than a session lives without a renewal.
    const longer = { ...plan, agentless: true, calmAt: plan.calmAt + 60_000 }
    if (dice.chance(0.5)) return withoutTrouble(longer)
    // After all other faults, so that only its own renewals show a standby that its session has ended.
    return withActions(longer, [
      {
        at: plan.calmAt + dice.between(0, 20_000),
        action: {
          _tag: "Freeze",
          instance: dice.between(0, plan.instances.length - 1),
          lasting: dice.between(15_000, 20_000)
        }
      },
      {
        at: plan.calmAt + dice.between(45_000, 60_000),
        action: { _tag: "EndStandbySessions", datacenter: dice.pick(plan.destinations) }
      }
    ])
  }
}
