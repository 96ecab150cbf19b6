/**
 * A candidate beside a Consul agent: a service with a check, and a session that ends as soon as the check is critical.
 */

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ConsulHttp } from "../../ConsulHttp.js"
import * as AgentNodes from "./AgentNodes.js"
import type { Stand } from "./Candidate.js"
import * as CheckOutput from "./CheckOutput.js"
import { passing } from "./Health.js"
import * as Heartbeat from "./Heartbeat.js"
import type { LeaderLockOptions } from "./LockOptions.js"
import * as LockSession from "./LockSession.js"
import * as Registration from "./Registration.js"

/**
 * The time to live of the lock's session. Consul (1.8.7) lets the session live up to twice as long. A critical check ends it
 * sooner, if the agent can report the check to the servers: an agent with a deleted token cannot.
 */
const defaultSessionTtl = Duration.seconds(30)

export const make = Effect.fnUntraced(function* ({
  lock,
  service,
  sessionTtl = defaultSessionTtl,
  ttl
}: LeaderLockOptions): Effect.fn.Return<Stand, never, ConsulHttp | Scope.Scope> {
  const { agent } = yield* ConsulHttp
  const nodes = yield* AgentNodes.make
  const registration = yield* Registration.make(service, ttl)
  const session = yield* LockSession.make({ agentless: false, lock, service }, sessionTtl)
  const name = LockSession.sessionName(service, lock)

  return (supervise) =>
    Effect.gen(function* () {
      const output = yield* CheckOutput.make(passing)
      const node = yield* nodes.ask
      const { checkId, id } = yield* registration
      const beat = Effect.flatMap(output.reported, (health) => agent.updateCheck(checkId, health)).pipe(
        Effect.tapError(nodes.refused)
      )
      yield* supervise(Heartbeat.keepCheck(beat, ttl))
      const created = yield* session.create({ name, checks: ["serfHealth", checkId] })
      const renewal = session.renew(created, checkId, ttl, output)
      yield* supervise(Effect.as(renewal, LockSession.ended))
      return { id, node, session: created.id, report: output.request }
    })
})
