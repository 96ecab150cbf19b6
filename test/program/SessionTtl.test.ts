import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Program from "./Program.js"

const address = Effect.map(
  RealConsul.datacenters(["sfo1"], { config: { session_ttl_min: "1m" } }),
  ({ sfo1 }) => sfo1.address
)

describeConsul("servers that let no session live for less than a minute", () => {
  layer(NodeContext.layer)((it) => {
    it.scoped(
      "have a leader all the same, who says once what that costs, and in the end that it was stopped",
      () =>
        Effect.gen(function* () {
          const agent = yield* address
          const store = Store.at(agent)
          yield* store.put({ key: "from/a", value: "1" })
          const program = yield* Program.start([
            `-addr=${agent}`,
            "-src=sfo1",
            "-prefix=from/",
            "-dst-prefix=to/"
          ])
          const json = (key: string) =>
            Effect.map(
              store.request("GET", `/v1/kv/service/consul-replicate/${key}?raw`),
              ({ status, text }) => (status === 200 ? (JSON.parse(text) as Record<string, unknown>) : {})
            )
          yield* Store.eventually(json("status"), ({ State }) => State === "in-sync")
          const sessions = yield* store.request("GET", "/v1/session/list")
          expect(JSON.parse(sessions.text)).toMatchObject([{ TTL: "60000ms" }])
          const log = yield* program.log
          expect(log.filter((line) => line.includes("session_ttl_min"))).toHaveLength(1)
          expect(log.filter((line) => line.includes("Invalid Session TTL"))).toEqual([])
          yield* program.signal("SIGTERM")
          expect(yield* program.exit).toEqual(Option.some(0))
          expect(yield* json("status")).toMatchObject({ State: "stopped", LastState: "in-sync" })
          expect(yield* json("leader")).toHaveProperty("until")
        })
    )
  })
})
