import * as Url from "node:url"
import * as Command from "@effect/platform/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { describeConsul } from "../consul/describeConsul.js"
import * as RealConsul from "../consul/RealConsul.js"
import * as Store from "../consul/Store.js"
import { live } from "./Program.js"

const example = Url.fileURLToPath(new URL("../../examples/embed.ts", import.meta.url))

describeConsul("examples/embed.ts", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer))((it) => {
    it.effect("replicates inside of a larger program, and gives the lock back when that ends", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const output = yield* Command.make("npx", "tsx", example).pipe(
          Command.env({ CONSUL_HTTP_ADDR: `http://${sfo1.address}` }),
          Command.string,
          live,
          Effect.fork
        )
        const destination = Store.at(sfo1.address)
        const lock = Effect.map(
          destination.request("GET", "/v1/kv/service/consul-replicate/leader"),
          ({ text }) => text
        )
        yield* Store.eventually(lock, (text) => text.includes('"Session"'))
        yield* Store.at(nyc1.address).put({ key: "embedded/greeting", value: "hello from nyc1" })
        expect((yield* Fiber.join(output)).split("\n")).toContain("hello from nyc1")
        expect(yield* lock).not.toContain('"Session"')
      })
    )
  })
})
