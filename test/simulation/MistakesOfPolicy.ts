/** Mistakes in which keys are deleted, each planted in the rule itself. */
import type { Mistake } from "./Mistakes.js"
import type { Plan } from "./Plan.js"

const policy = "internal/plan/DeletePolicy.ts"

const has = (plan: Plan, ...tags: ReadonlyArray<Plan["actions"][number]["action"]["_tag"]>) =>
  plan.actions.some(({ action }) => tags.includes(action._tag))

/** The source loses many keys at a time. */
const loses = (plan: Plan) => has(plan, "Wipe", "RestoreSource") || plan.fates.includes("names missing")

/** Whether shards may report a large loss in small steps. */
const losesInParts = (plan: Plan) => plan.divided !== undefined && (loses(plan) || has(plan, "Move"))

/** Whether another instance may take over, or the same instance lead again. */
const leadsAnew = (plan: Plan) =>
  loses(plan) && has(plan, "Kill", "Stop", "EndSession", "Reload", "DeleteLock")

export const mistakesOfPolicy: ReadonlyArray<Mistake> = [
  {
    name: "keys that parts lack deleted without a look at all names",
    fits: losesInParts,
    mutations: [
      {
        file: policy,
        from: "const isDecided = (!lostAll && isFew(ledger, missing))",
        to: "const isDecided = missing.length > 0 || (!lostAll && isFew(ledger, missing))"
      }
    ]
  },
  {
    name: "keys that parts lack deleted during the first comparison",
    fits: losesInParts,
    mutations: [
      { file: policy, from: `if (Option.isSome(view.comparison)) return "wait"`, to: "" },
      {
        file: policy,
        from: "const isDecided = (!lostAll && isFew(ledger, missing))",
        to: "const isDecided = Option.isSome(view.comparison) || (!lostAll && isFew(ledger, missing))"
      }
    ]
  },
  {
    name: "keys that parts lack deleted while others are held",
    fits: losesInParts,
    mutations: [{ file: policy, from: `if (ledger.held.size > 0) return "hold"`, to: "" }]
  },
  {
    name: "the limit of parts taken for the limit of all",
    fits: losesInParts,
    mutations: [
      {
        file: policy,
        from: "const isDecided = (!lostAll && isFew(ledger, missing))",
        to: "const isDecided = DeleteLimit.allows(view.limit, missing.length, view.keysBefore)"
      }
    ]
  },
  {
    name: "held keys deleted as soon as fewer are missing",
    fits: loses,
    mutations: [{ file: policy, from: "held.size > 0 || Option.exists", to: "Option.exists" }]
  },
  {
    name: "a hold forgotten by the next leader",
    fits: leadsAnew,
    mutations: [
      {
        file: policy,
        from: "Option.exists(comparison, ({ wasHolding }) => wasHolding)",
        to: "Option.exists(comparison, () => false)"
      }
    ]
  },
  {
    name: "a hold forgotten when the reconcile comes",
    fits: loses,
    mutations: [
      {
        file: "internal/destination/Replica.ts",
        from: "const tried = retry ?",
        to: "replica = { ...replica, held: new Set() }\n    const tried = retry ?"
      }
    ]
  },
  {
    name: "the limit not asked",
    fits: loses,
    mutations: [
      {
        file: policy,
        from: "return !isHolding(ledger, view) && allowsAll && allowsOld",
        to: "return !isHolding(ledger, view) && (allowsAll || allowsOld || true)"
      }
    ]
  }
]
