/** Several replications under one lock. A reload begins, ends and changes replications, and one of their sources dies. */
import * as StatusFolder from "../../src/internal/destination/StatusFolder.js"
import type { SourceWrite, Timed } from "./Action.js"
import type { Dice } from "./Dice.js"
import type { Plan } from "./Plan.js"
import { put, times, withActions, withoutTrouble, write } from "./PlanChanges.js"
import type { Configuration, Route } from "./Route.js"

/** The datacenter that can die. */
export const otherSource = "ord3"

const statuses = "service/consul-replicate/statuses"

const routeOf = (source: string, prefix: string, destinationPrefix: string): Route => ({
  source,
  prefix,
  destinationPrefix,
  status: StatusFolder.keyOf(statuses, { prefix, destinationPrefix }),
  exclude: []
})

const team = { prefix: "team/", destinationPrefix: "team/" }
const globals = { prefix: "globals/", destinationPrefix: "globals/" }

/** Status keys of the further replications. */
export const statusOfTeam = StatusFolder.keyOf(statuses, team)
export const statusOfGlobals = StatusFolder.keyOf(statuses, globals)

/** A number of keys above every delete limit. */
const manyKeys = 14

/** The keys of a source under a prefix, and their changes. Some sources lose most of their keys at a time. */
const changesOf = (dice: Dice, plan: Plan, { destinationPrefix, prefix }: Route) => {
  const keys = Array.from({ length: dice.chance(0.5) ? manyKeys : 4 }, (_, i) => `k${i}`)
  const key = () => keys[dice.between(0, keys.length - 1)] ?? "k0"
  const change = (): SourceWrite =>
    dice.chance(0.3)
      ? { _tag: "Remove", key: prefix + key() }
      : put(prefix + key(), dice.between(0, 12), dice.pick([0n, 42n]))
  return {
    initial: keys.map((key) => put(prefix + key, 4)),
    actions: [
      ...times(dice, 3, 8, plan, () => write(change())),
      ...times(dice, 0, 1, plan, () => ({ _tag: "Wipe", prefix })),
      ...times(dice, 0, 1, plan, () => ({
        _tag: "Drift",
        datacenter: dice.pick(plan.destinations),
        key: destinationPrefix + key(),
        deletes: dice.chance(0.4)
      }))
    ]
  }
}

/** Some of the replications, at least one of them. One in four has another setting than before. */
const configure = (dice: Dice, routes: ReadonlyArray<Route>, before: Configuration): Configuration => {
  const settingOf = (prefix: string) =>
    before.find((configured) => configured.prefix === prefix)?.reconcile ?? 5_000
  const all = routes.map(({ prefix }) => ({
    prefix,
    reconcile: dice.chance(0.25) ? dice.pick([2_000, 3_000, 5_000]) : settingOf(prefix)
  }))
  const some = dice.some(all, 0.7)
  return some.length === 0 ? all.slice(-1) : some
}

export const withSeveralReplications = (usual: Plan, dice: Dice): Plan => {
  const all = dice.chance(0.4) ? withoutTrouble(usual) : usual
  const { destinationPrefix, prefix, source } = all
  // `globals/` and `global/` begin with the same six letters.
  const beside = [
    routeOf(source, "globals/", dice.pick(["globals/", "mirror/globals/"])),
    routeOf(dice.chance(0.8) ? otherSource : source, "team/", "team/")
  ]
  const plan: Plan = {
    ...all,
    beside,
    status: StatusFolder.keyOf(statuses, { prefix, destinationPrefix })
  }
  const routes: ReadonlyArray<Route> = [plan, ...beside]
  const first = dice.chance(0.5)
    ? routes.map(({ prefix }) => ({ prefix, reconcile: plan.reconcile }))
    : configure(dice, routes, [])
  const reloads: Array<Timed> = []
  let configuration: Configuration = first
  const moments = Array.from({ length: dice.between(1, 4) }, () => dice.between(0, plan.calmAt))
  for (const at of moments.sort((a, b) => a - b)) {
    configuration = configure(dice, routes, configuration)
    reloads.push({ at, action: { _tag: "Reload", configuration } })
  }
  const changes = beside.map((route) => changesOf(dice, plan, route))
  const deaths = dice.chance(0.7)
    ? times(dice, 1, 1, plan, () => ({
        _tag: "SourceDies",
        datacenter: otherSource,
        how: dice.pick(["unanswered", "refused", "no path"] as const),
        lasting: dice.chance(0.4) ? undefined : dice.between(500, 20_000)
      }))
    : []
  const hasOther = beside.some((route) => route.source === otherSource)
  return {
    ...withActions(plan, [
      ...reloads,
      ...changes.flatMap(({ actions }) => actions),
      ...(hasOther ? deaths : [])
    ]),
    configuration: first,
    initial: [...plan.initial, ...changes.flatMap(({ initial }) => initial)]
  }
}
