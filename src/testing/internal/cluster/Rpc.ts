/**
 * How an agent's requests reach the servers: those of its own datacenter, or another's over the wide-area links.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Http from "../http/Http.js"
import * as Refusal from "../http/Refusal.js"
import * as RequestTarget from "../http/RequestTarget.js"
import type * as Command from "./Command.js"
import type * as Datacenter from "./Datacenter.js"

/**
 * What a request between two datacenters meets when the link is down.
 *
 * `refused` is what the servers see at first: connections break and are refused. Once they have given each other up,
 * after a minute or so, they know of no path.
 *
 * @since 0.1.0
 * @category models
 */
export type Outage = "refused" | "no path"

/** The wide-area links between datacenters. */
export interface Links {
  readonly find: (datacenter: string) => Datacenter.Datacenter | undefined
  readonly outage: (from: string, to: string) => Outage | undefined
  /** Never succeeds; fails when the link breaks under a request. */
  readonly broken: (from: string, to: string) => Effect.Effect<never, Refusal.Refusal>
}

export interface Rpc {
  /** Runs something at the leader of the datacenter that the request is for. */
  readonly call: <A>(
    query: RequestTarget.Query,
    run: (datacenter: Datacenter.Datacenter) => Effect.Effect<A, Refusal.Refusal>,
    consistency?: Http.Consistency
  ) => Effect.Effect<A, Refusal.Refusal>
  /** Writes to the log of the datacenter that the request is for, unless the leader answers without. */
  readonly write: (
    query: RequestTarget.Query,
    command: Command.Command,
    precheck?: (leader: Datacenter.Datacenter) => Either.Either<void, Command.Reply>
  ) => Effect.Effect<Command.Reply, Refusal.Refusal>
  /** Reads there, waiting if the request asks for it. */
  readonly read: <A>(
    query: RequestTarget.Query,
    options: Http.ReadOptions,
    what: Datacenter.Query<A>
  ) => Effect.Effect<Answer<A>, Refusal.Refusal>
}

/** What was read, and whether the servers had a leader then. */
export interface Answer<A> extends Datacenter.Read<A> {
  readonly knownLeader: boolean
}

const noPath = Refusal.failed("No path to datacenter")

/** What the real one says of the address of a server that doesn't listen. */
const refusedBy = (datacenter: string) =>
  Refusal.failed(
    `rpc error getting client: failed to get conn: dial tcp ${datacenter}:8300: connect: connection refused`
  )

/** What becomes of a request whose connection breaks. */
export const interrupted = Refusal.failed("rpc error making call: EOF")

/**
 * `agent` names the one whose requests these are; `leads` tells whether it is the leader itself, for errors from
 * elsewhere say so.
 */
export const make = (options: {
  readonly agent: string
  readonly leads: boolean
  readonly home: Datacenter.Datacenter
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
    read: (query, options, what) =>
      call(
        query,
        (datacenter) =>
          Effect.map(datacenter.query(what, options.wait), (read) => ({
            ...read,
            knownLeader: datacenter.hasLeader()
          })),
        options.consistency
      )
  }
}
