/** The changes that trials make to a plan: more actions, more faults, or none. */
import type { Action, SourceWrite, Timed } from "./Action.js"
import type * as Dice from "./Dice.js"
import type { Fate, Plan } from "./Plan.js"

export const withActions = (plan: Plan, actions: ReadonlyArray<Timed>): Plan => ({
  ...plan,
  actions: [...plan.actions, ...actions].sort((a, b) => a.at - b.at)
})

/** At least a tenth of all requests is disturbed. */
export const withFates = (plan: Plan, fates: ReadonlyArray<Fate>): Plan => ({
  ...plan,
  disturbed: Math.max(plan.disturbed, 0.1),
  fates: [...new Set([...plan.fates, ...fates])]
})

export const times = (
  dice: Dice.Dice,
  low: number,
  high: number,
  plan: Plan,
  make: () => Action
): ReadonlyArray<Timed> =>
  Array.from({ length: dice.between(low, high) }, () => ({
    at: dice.between(0, plan.calmAt),
    action: make()
  }))

export const write = (...writes: ReadonlyArray<SourceWrite>): Action => ({ _tag: "Write", writes })

export const put = (key: string, size: number, flags = 0n): SourceWrite => ({ _tag: "Put", key, size, flags })

const isTrouble = ({ _tag }: Action): boolean =>
  !["Write", "WriteElsewhere", "Drift", "SetClock"].includes(_tag)

/** The plan without actions and faults that could end the lock. */
export const withoutTrouble = (plan: Plan): Plan => ({
  ...plan,
  disturbed: 0,
  actions: plan.actions.filter(({ action }) => !isTrouble(action)),
  mostLeaderships: 1
})
