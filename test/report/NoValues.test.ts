/** Values of keys are secrets of others: no event, and no line that is made from one, has any of them. */
import { inspect } from "node:util"
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as Replicator from "../../src/Replicator.js"
import { SimConsul } from "../../src/testing/index.js"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Replicating from "../support/Replicating.js"

const { it, named, removeTree, until } = Replicating
const { destination, source } = World

const marker = "hush-hush"

/** The marker as it is, and as base64 has it at each of the three places where it can begin. */
const forms = [
  marker,
  ...["", "x", "xx"].map((before) => btoa(`${before}${marker}xx`).slice(before.length === 0 ? 0 : 4, 12))
]

const put = (datacenter: string, keys: ReadonlyArray<string>, value: string) =>
  Effect.flatMap(SimConsul.SimConsul, (sim) =>
    Effect.forEach(keys, (key) => sim.put(datacenter, key, value), { discard: true })
  )

describe("events", () => {
  it("never have the value of a key, whatever goes wrong, and neither do the lines of the log at debug", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* put(source, [...named(30), "global/large"], `${marker} ${"x".repeat(9)}`)
      yield* put(source, ["global/large"], `${marker} ${"x".repeat(450_000)}`)
      yield* put(destination, ["global/stranger", "global/0"], `x${marker}`)
      const instance = yield* World.instance()
      const streamed: Array<string> = []
      yield* Replicator.events.pipe(
        Stream.runForEach((event) => Effect.sync(() => void streamed.push(inspect(event, { depth: 9 })))),
        instance.run,
        Effect.forkScoped
      )
      yield* Effect.sleep(1)
      yield* instance
        .run(Replicator.run(instance.replication))
        .pipe(
          Effect.provide(Logger.add(logger)),
          Logger.withMinimumLogLevel(LogLevel.Trace),
          Effect.forkScoped
        )
      yield* until(Replicating.inSync)
      yield* Replicating.remove(source, "global/large")
      for (const fault of [
        Network.denying((key) => key === "global/7"),
        Network.on("PUT /v1/txn", Network.answer(500, "rpc error making call: EOF")),
        Network.on("PUT /v1/txn", Network.answerLost),
        Network.on(/dc=nyc1/, Network.refused)
      ]) {
        yield* instance.network.disturb(fault)
        yield* put(source, named(20), `xx${marker}`)
        yield* put(destination, ["global/25", "global/drifted"], `xx${marker}`)
        yield* Effect.sleep("70 seconds")
        yield* instance.network.heal
        yield* until(Replicating.converged)
      }
      yield* removeTree(source)
      yield* until(Replicating.holding)
      const tags = new Set(instance.events.map(({ _tag }) => _tag))
      for (const tag of ["TransactionSent", "LargeValueSent", "WritesRefused", "Trouble", "DeletesHeld"]) {
        expect(tags).toContain(tag)
      }
      expect(streamed).toHaveLength(instance.events.length)
      expect(lines.length).toBeGreaterThan(10)
      for (const text of [...streamed, ...lines]) {
        for (const form of forms) expect(text).not.toContain(form)
      }
    }))
})
