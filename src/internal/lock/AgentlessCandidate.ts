/**
 * A candidate without an agent beside it, for an address behind which several servers answer. It has no service and no check:
 * both would belong to one server, and updates of the check would reach another one.
 *
 * The session has no checks either. It is entered for the node of the server that is asked, since Consul (1.8.7) accepts no
 * session without a node, and outlives failures and restarts of that server. It ends with the node's entry in the catalog:
 * when the server leaves the cluster for good.
 */
import * as Os from "node:os"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConsulHttp } from "../../ConsulHttp.js"
import type { Stand } from "./Candidate.js"
import type { LeaderLockOptions } from "./LockOptions.js"
import * as LockSession from "./LockSession.js"
import * as Registration from "./Registration.js"

/**
 * The time to live of the lock's session without an agent, where no check ends it. Consul (1.8.7) lets a session live twice as
 * long after its last renewal, or after an election: the next leader follows a killed one within 30 s.
 */
const defaultSessionTtl = Duration.seconds(15)

export const make = Effect.fnUntraced(function* ({
  lock,
  service,
  sessionTtl = defaultSessionTtl
}: LeaderLockOptions): Effect.fn.Return<Stand, never, ConsulHttp | Scope.Scope> {
  const session = yield* LockSession.make({ agentless: true, lock, service }, sessionTtl)

  return (supervise) =>
    Effect.gen(function* () {
      const id = yield* Registration.newId(service)
      const created = yield* session.create({ name: LockSession.sessionName(id, lock), checks: [] })
      yield* supervise(session.keep(created))
      return { id, node: Os.hostname(), session: created.id, report: () => Effect.void }
    })
})
