/** Mistakes of a process that has several replications. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import { isTransaction, rewriting, rewritingTransactions, textOf, withText } from "./Distorting.js"
import type { Distort } from "./Instance.js"
import type { Mistake } from "./Mistakes.js"
import type { Plan } from "./Plan.js"
import { otherSource, statusOfGlobals, statusOfTeam } from "./SeveralReplications.js"

const replications = "Replications.ts"

const reloads = (plan: Plan) => plan.actions.some(({ action }) => action._tag === "Reload")

const hasSeveral = (plan: Plan) => plan.beside.length > 0

const isQuiet = (plan: Plan) => plan.mostLeaderships === 1

const dies = (plan: Plan) => plan.actions.some(({ action }) => action._tag === "SourceDies")

/** Transactions wait until the source answers. */
const waitingForSource: Distort = (client) => {
  let isGone = false
  const answers = Effect.repeat(Effect.sleep("100 millis"), { while: () => isGone })
  return HttpClient.make((request, url) => {
    if (url.searchParams.get("dc") !== otherSource) {
      return isTransaction(request)
        ? Effect.zipRight(answers, client.execute(request))
        : client.execute(request)
    }
    return Effect.tapBoth(client.execute(request), {
      onFailure: () => Effect.sync(() => (isGone = true)),
      onSuccess: ({ status }) => Effect.sync(() => (isGone = status >= 500))
    })
  })
}

/** Writes the status of `team/` to the status key of `globals/`. */
const sharingStatus: Distort = rewriting(() => (request) => {
  const moved = HttpClientRequest.setUrl(request, request.url.replace(statusOfTeam, statusOfGlobals))
  return isTransaction(moved) && textOf(moved).includes(statusOfTeam)
    ? withText(moved, textOf(moved).replaceAll(statusOfTeam, statusOfGlobals))
    : moved
})

export const mistakesOfReplications: ReadonlyArray<Mistake> = [
  {
    name: "a reload that begins all replications anew",
    fits: (plan) => reloads(plan) && isQuiet(plan),
    mutations: [
      { file: replications, from: "areSame(one, running.get(one.status))", to: "!areSame(one, one)" }
    ]
  },
  {
    name: "a replication with other settings that goes on with the former ones",
    fits: reloads,
    mutations: [
      {
        file: replications,
        from: "areSame(one, running.get(one.status))",
        to: "running.has(one.status)"
      }
    ]
  },
  {
    name: "a replication that a reload has ended, and that goes on",
    fits: reloads,
    mutations: [{ file: replications, from: "FiberMap.remove(fibers, status),", to: "Effect.void," }]
  },
  {
    name: "a reload that gives the lock up when it replaces all replications",
    fits: (plan) => reloads(plan) && isQuiet(plan),
    mutations: [{ file: replications, from: "yield* Effect.asVoid(keep)", to: "yield* Effect.void" }]
  },
  { name: "a dead source holds up the other replications", fits: dies, distort: waitingForSource },
  { name: "a status that two replications share", fits: hasSeveral, distort: sharingStatus },
  {
    name: "a replication that writes into the destination of another",
    fits: hasSeveral,
    distort: rewritingTransactions((operations) =>
      operations.map((operation) => operation.replace('"Key":"team/', '"Key":"globals/'))
    )
  }
]
