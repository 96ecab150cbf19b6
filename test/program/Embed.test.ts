import * as Url from "node:url"
import * as Command from "@effect/platform/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import { SharedDatacenters } from "../support/consul/SharedDatacenters.js"
import * as Store from "../support/consul/Store.js"
import { capture } from "./Program.js"

const example = (name: string, address: string) =>
  Command.make(
    "node",
    "--import",
    "tsx",
    Url.fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))
  ).pipe(Command.env({ CONSUL_HTTP_ADDR: address }))

const run = (address: string) => capture(example("embed.ts", address))

describeConsul("examples/embed.ts", () => {
  layer(Layer.merge(SharedDatacenters.layer, NodeContext.layer))((it) => {
    it.effect("replicates inside of a larger program, and gives the lock back when that ends", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* SharedDatacenters
        const output = yield* Effect.fork(run(sfo1.address))
        const destination = Store.at(sfo1.address)
        const lock = Effect.map(
          destination.request("GET", "/v1/kv/service/consul-replicate/leader"),
          ({ text }) => text
        )
        yield* Store.eventually(lock, (text) => text.includes('"Session"'))
        yield* Store.at(nyc1.address).put({ key: "embedded/greeting", value: "hello from nyc1" })
        expect(yield* Fiber.join(output)).toMatchObject({
          code: 0,
          stdout: expect.stringMatching(/^hello from nyc1$/m)
        })
        expect(yield* lock).not.toContain('"Session"')
      })
    )

    it.effect("ends with what the replicator fails with, and says it", () =>
      Effect.gen(function* () {
        const { nyc1 } = yield* SharedDatacenters
        // The greeting of before would end the program first.
        yield* Store.at(nyc1.address).delete("embedded/greeting")
        const { code, stdout } = yield* run(nyc1.address)
        expect(code).toBe(1)
        expect(stdout).toContain("level=ERROR")
        expect(stdout).toContain("source: the agent is in nyc1 itself")
      })
    )
  })
})

describeConsul("examples/events.ts", () => {
  layer(Layer.merge(SharedDatacenters.layer, NodeContext.layer))((it) => {
    it.effect("prints a line of JSON for each thing that happens, and logs nothing itself", () =>
      Effect.gen(function* () {
        const { sfo1 } = yield* SharedDatacenters
        const lines = yield* Command.streamLines(example("events.ts", sfo1.address)).pipe(
          Stream.takeUntil((line) => line.includes('"ComparisonDone"')),
          Stream.runCollect
        )
        const tags = Array.from(lines, (line) => (JSON.parse(line) as { readonly _tag: string })._tag)
        expect(tags[0]).toBe("AgentAnswered")
        expect(tags).toContain("Leading")
      })
    )
  })
})
