import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as ConsulAgent from "../support/consul/ConsulAgent.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Chaos from "./support/Chaos.js"
import * as Figures from "./support/Figures.js"
import * as Pair from "./support/Pair.js"

/** The three servers of a datacenter: the one that leads, and the others. */
const servers = Effect.fnUntraced(function* ({ address, agents }: RealConsul.Datacenter) {
  const { text } = yield* Store.eventually(
    Store.at(address).request("GET", "/v1/status/leader"),
    ({ text }) => text.includes(":")
  )
  // Its RPC port is the third after that of HTTP.
  const port = Number(/:(\d+)/.exec(text)?.[1]) - 3
  const [others, leaders] = Arr.partition(
    agents.slice(0, 3),
    (agent) => agent.address === `127.0.0.1:${port}`
  )
  const [leader, [other, another]] = [leaders[0], others]
  return leader === undefined || other === undefined || another === undefined
    ? yield* Effect.dieMessage("not three servers")
    : { leader, other }
})

describeConsul("elections", () => {
  layer(NodeContext.layer, { excludeTestServices: true })((it) => {
    it.scoped("inside either cluster cost no leadership, and replication goes on by itself", (ctx) =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.datacenters(["nyc1", "sfo1"], {
          servers: 3,
          own: { sfo1: { servers: 3, clients: 1 } }
        })
        const at = (datacenter: string, agent: ConsulAgent.ConsulAgent | undefined) => ({
          name: datacenter,
          address: agent?.address ?? ""
        })
        // The program has an agent that is no server, and writes at the source go to one that stays.
        const pairAt = Effect.map(servers(nyc1), ({ other }) =>
          Pair.make("elections", { source: at("nyc1", other), destination: at("sfo1", sfo1.agents[3]) })
        )
        const program = yield* Effect.flatMap(pairAt, (pair) => pair.start())
        yield* program.says(/in sync/)

        /** Where it is not, the program's log tells why. */
        const expectSession = Effect.fnUntraced(function* (session: Option.Option<string>) {
          const pair = yield* pairAt
          const log = yield* program.log
          expect(yield* pair.session, log.slice(-100).join("\n")).toEqual(session)
        })

        /** Ends the leader of a cluster in some way, and starts it again when a change has arrived. */
        const elect = Effect.fnUntraced(function* (datacenter: RealConsul.Datacenter, how: "kill" | "stop") {
          const { leader } = yield* servers(datacenter)
          const pair = yield* pairAt
          const session = yield* pair.session
          yield* leader[how]
          const took = yield* pair.arrives("marker")
          yield* leader.start
          yield* expectSession(session)
          return took
        })
        const hows = yield* Chaos.sized({ short: ["kill"] as const, full: ["kill", "stop", "kill"] as const })
        const source = yield* Effect.forEach(hows, (how) => elect(nyc1, how))
        const destination = yield* Effect.forEach(hows, (how) => elect(sfo1, how))

        // Without a quorum nobody leads, and nobody can take the lock away. The program has something to say after 7 s, when
        // its write has failed; but its agent takes no heartbeats while it tells the servers, so that this must wait.
        const pair = yield* pairAt
        const session = yield* pair.session
        const { leader, other } = yield* servers(sfo1)
        yield* Effect.forEach([leader, other], ({ kill }) => kill)
        yield* pair.source.put({ key: `${pair.prefix}meanwhile`, value: "1" })
        yield* Effect.sleep("15 seconds")
        yield* Effect.forEach([leader, other], ({ start }) => start, { concurrency: 2 })
        const quorum = yield* pair.arrives("marker")
        yield* expectSession(session)

        yield* pair.settle
        const log = yield* program.log
        expect(log.filter((line) => /lost the lock/.test(line))).toEqual([])
        expect(log.filter((line) => /leading/.test(line))).toHaveLength(1)
        expect(Option.isSome(session)).toBe(true)
        yield* Figures.figure(
          ctx,
          `a change made as the source's leader ended arrived after ${Figures.millis(source)}, the destination's after ` +
            `${Figures.millis(destination)}; after a lost quorum was back in ${Figures.millis([quorum])}`
        )
      })
    )
  })
})
