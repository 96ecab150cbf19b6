/**
 * `-once`: one full pass over every replication, with an error that names each that failed.
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as DeleteLimit from "../../../DeleteLimit.js"
import type { Endpoint } from "../../../internal/consul/Endpoint.js"
import { raceFirst } from "../../../internal/effect/RaceFirst.js"
import { count } from "../../../internal/report/Counts.js"
import { observing } from "../../../internal/report/EventSink.js"
import * as Replication from "../../../Replication.js"
import type { ReplicationEvent } from "../../../ReplicationEvent.js"
import * as Replications from "../../../Replications.js"
import * as Replicator from "../../../Replicator.js"
import * as FirstContact from "./FirstContact.js"
import * as Patience from "./Patience.js"

/** The sides differ after `-once`: deletes are held back, or keys are refused. */
export class NotEqual extends Data.TaggedError("NotEqual")<{
  /** The number of keys whose deletion is held back. */
  readonly heldDeletes: number
  /** The number of refused keys. */
  readonly refusedKeys: number
  /** The limit that holds the deletes back. */
  readonly limit: DeleteLimit.DeleteLimit
}> {
  override get message() {
    const { heldDeletes, limit, refusedKeys } = this
    const left = [
      heldDeletes > 0 &&
        `the deletion of ${count(heldDeletes, "key")} is held back by -max-deletes=${DeleteLimit.format(limit)}`,
      refusedKeys > 0 && `${count(refusedKeys, "key")} did not land`
    ]
    return [...left.filter((text) => text !== false), "all else is replicated"].join("; ")
  }
}

/** Some of several replications failed, or are left unequal. */
export class SomeFailed extends Data.TaggedError("SomeFailed")<{
  /** The number of all replications. */
  readonly of: number
  readonly failures: ReadonlyArray<{ readonly route: string; readonly message: string }>
}> {
  override get message() {
    const named = this.failures.map(({ message, route }) => `${route}: ${message}`)
    return `${this.failures.length} of ${this.of} replications failed: ${named.join("; ")}`
  }
}

interface Options {
  /** The agent that is replicated into. */
  readonly agent: Endpoint
  /** How long each replication may wait for one thing; zero for no limit. */
  readonly timeout: Duration.Duration
  /** The option that sets `timeout`, with its dash. */
  readonly option: string
}

const compare = (replication: Replication.Replication) =>
  Effect.gen(function* () {
    const left = yield* Replicator.runOnce(replication)
    const heldDeletes = left.held.size
    const refusedKeys = left.refused.size
    if (heldDeletes + refusedKeys > 0) {
      return yield* new NotEqual({ heldDeletes, refusedKeys, limit: replication.maxDeletes })
    }
  })

/** Fails for a reason that time does not mend; otherwise it never ends. */
const hopeless = (replication: Replication.Replication, { agent }: Options) =>
  Effect.zipRight(FirstContact.all(agent, replication), Effect.never)

const ofLeadership: ReadonlySet<string> = new Set(["Agent", "Leadership", "Lock", "Session"])

/** Whether an event is about the lock that all replications share, and not about one replication. */
export const isOfAll = (event: ReplicationEvent): boolean => {
  switch (event._tag) {
    case "Leading":
    case "LockLost":
    case "StandingBy":
      return true
    case "Trouble":
    case "TroubleOver":
      return event.replication === undefined && ofLeadership.has(event.subject._tag)
    default:
      return false
  }
}

/** Each replication has its own patience: one that waits for its source ends no other. */
const patiently = (replication: Replication.Replication, options: Options) =>
  Effect.gen(function* () {
    const { consumer, denied, exhausted } = yield* Patience.make({
      timeout: options.timeout,
      option: options.option,
      kinds: new Set<Patience.Kind>(["Trouble", "Turn"]),
      first: `no answer from the agent at ${options.agent.address}`
    })
    return yield* raceFirst(compare(replication), hopeless(replication, options)).pipe(
      observing(consumer),
      Effect.raceFirst(exhausted),
      Effect.raceFirst(denied)
    )
  })

/**
 * Copies once. A single replication fails with its own error; several fail, after all have ended, with an error that names each
 * failed one.
 */
export const run = Effect.fnUntraced(function* (
  replications: ReadonlyArray<Replication.Replication>,
  options: Options
) {
  const [only, ...others] = replications
  if (only !== undefined && others.length === 0) {
    return yield* raceFirst(
      Effect.flatMap(Replications.forEach(replications, compare), (all) =>
        Effect.forEach(all, ({ result }) => result, { discard: true })
      ),
      hopeless(only, options)
    )
  }
  const results = yield* Replications.forEach(replications, (one) => patiently(one, options))
  const failures = results.flatMap(({ replication, result }) =>
    Either.isLeft(result) ? [{ route: Replication.route(replication), message: result.left.message }] : []
  )
  if (failures.length > 0) return yield* new SomeFailed({ of: results.length, failures })
})
