/**
 * The connection of an agent to the servers of its own datacenter, and over wide-area links to those of other datacenters.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Http from "../http/Http.js"
import * as Refusal from "../http/Refusal.js"
import * as RequestTarget from "../http/RequestTarget.js"
import type * as Command from "./Command.js"
import type * as Datacenter from "./Datacenter.js"

/**
 * The error of a request between two datacenters whose link is down.
 *
 * - `refused`: connections break and are refused, as in the first minute or so of an outage.
 * - `no path`: the datacenters have removed each other from their members, as later in an outage.
 *
 * @since 0.1.0
 * @category models
 */
export type Outage = "refused" | "no path"

/** The wide-area links between datacenters. */
export interface Links {
  /** The datacenter of a name. */
  readonly find: (datacenter: string) => Datacenter.Datacenter | undefined
  /** The outage of a link. Absent if the link is up. */
  readonly outage: (from: string, to: string) => Outage | undefined
  /** Fails when the link breaks. Never succeeds. */
  readonly broken: (from: string, to: string) => Effect.Effect<never, Refusal.Refusal>
}

export interface Rpc {
  /** Runs `run` at the datacenter of the request. Waits for a leader there, unless `consistency` is `stale`. */
  readonly call: <A>(
    query: RequestTarget.Query,
    run: (datacenter: Datacenter.Datacenter) => Effect.Effect<A, Refusal.Refusal>,
    consistency?: Http.Consistency
  ) => Effect.Effect<A, Refusal.Refusal>
  /** Commits an entry at the datacenter of the request, unless `precheck` returns the reply. */
  readonly write: (
    query: RequestTarget.Query,
    command: Command.Command,
    precheck?: (leader: Datacenter.Datacenter) => Either.Either<void, Command.Reply>
  ) => Effect.Effect<Command.Reply, Refusal.Refusal>
  /** Runs a query at the datacenter of the request. */
  readonly read: <A>(
    parameters: RequestTarget.Query,
    options: Http.ReadOptions,
    query: Datacenter.Query<A>
  ) => Effect.Effect<Answer<A>, Refusal.Refusal>
}

/** The answer to a query. */
export interface Answer<A> extends Datacenter.Read<A> {
  /** Whether the servers had a leader when they answered. */
  readonly knownLeader: boolean
}

const noPath = Refusal.failed("No path to datacenter")

/** Consul's error for a server that does not listen. */
const refusedBy = (datacenter: string) =>
  Refusal.failed(
    `rpc error getting client: failed to get conn: dial tcp ${datacenter}:8300: connect: connection refused`
  )

/** The error of a request whose connection breaks. */
export const interrupted = Refusal.failed("rpc error making call: EOF")

export const make = (options: {
  /** The name of the agent. */
  readonly agent: string
  /** Whether the agent is the leader. Errors of another server have a prefix. */
  readonly leads: boolean
  /** The agent's own datacenter. */
  readonly home: Datacenter.Datacenter
  /** The links to other datacenters. */
  readonly links: Links
}): Rpc => {
  const { agent, home, leads, links } = options

  const remote = (refusal: Refusal.Refusal) =>
    new Refusal.Refusal({ status: refusal.status, message: `rpc error making call: ${refusal.message}` })

  const at = <A>(
    datacenter: Datacenter.Datacenter,
    run: (datacenter: Datacenter.Datacenter) => Effect.Effect<A, Refusal.Refusal>,
    consistency: Http.Consistency | undefined
  ) =>
    consistency === "stale"
      ? run(datacenter)
      : Effect.zipRight(
          datacenter.led,
          Effect.suspend(() => run(datacenter))
        )

  const call: Rpc["call"] = (query, run, consistency) =>
    Effect.suspend(() => {
      const name = RequestTarget.get(query, "dc")
      if (name === "" || name === home.name) {
        const done = at(home, run, consistency)
        return leads ? done : Effect.mapError(done, remote)
      }
      const there = links.find(name)
      if (there === undefined) return Effect.fail(noPath)
      switch (links.outage(home.name, name)) {
        case "no path":
          return Effect.fail(noPath)
        case "refused":
          return Effect.fail(refusedBy(there.name))
        default: {
          const done = Effect.mapError(at(there, run, consistency), remote)
          return Effect.raceFirst(done, links.broken(home.name, name))
        }
      }
    })

  return {
    call,
    write: (query, command, precheck) =>
      call(query, (datacenter) =>
        Effect.suspend(() => {
          const checked = precheck?.(datacenter) ?? Either.void
          const reply = Either.isLeft(checked) ? checked.left : datacenter.commit(command, agent)
          return reply._tag === "Error" ? Effect.fail(Refusal.failed(reply.message)) : Effect.succeed(reply)
        })
      ),
    read: (parameters, options, query) =>
      call(
        parameters,
        (datacenter) =>
          Effect.map(datacenter.query(query, options.wait), (read) => ({
            ...read,
            knownLeader: datacenter.hasLeader()
          })),
        options.consistency
      )
  }
}
