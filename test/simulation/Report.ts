/** What to tell of a history that went wrong: its seed, what happened, and how to see it again. */
import * as Option from "effect/Option"
import * as Action from "./Action.js"
import type { Outcome } from "./Simulation.js"

/** Lines of a history that are shown unless all are asked for; the last ones say most. */
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
