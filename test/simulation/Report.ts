/** The report of a history with a violation: its seed, its last lines, and the command that plays it again. */
import * as Option from "effect/Option"
import * as Action from "./Action.js"
import type { Outcome } from "./Simulation.js"

/** The number of last lines of a history that are shown by default. */
const shown = 60

export const replay = (seed: number): string => `npm run simulate -- --seed ${seed} --verbose`

export const describe = ({ history, plan, violation }: Outcome, all = false): string => {
  const lines = all ? history.lines : history.lines.slice(-shown)
  const omitted = history.lines.length - lines.length
  return [
    `seed ${plan.seed}: ${Option.getOrElse(violation, () => "no violation")}`,
    `${plan.source} ${plan.prefix} to ${plan.destinations.join(", ")} ${plan.destinationPrefix}; ` +
      `${plan.instances.length} instances; ${plan.disturbed * 100}% of requests disturbed (${plan.fates.join(", ")})`,
    ...(all ? plan.actions.map(({ action, at }) => `  plan ${at} ms: ${Action.describe(action)}`) : []),
    ...(omitted > 0 ? [`  … ${omitted} lines before`] : []),
    ...lines.map((line) => line.slice(0, 400)),
    `again: ${replay(plan.seed)}`
  ].join("\n")
}
