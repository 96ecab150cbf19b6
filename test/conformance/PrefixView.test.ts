import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as ConsulHttp from "../../src/ConsulHttp.js"
import * as Value from "../../src/Value.js"
import * as Watcher from "../../src/Watcher.js"
import { live } from "../program/Program.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import { SharedDatacenters } from "../support/consul/SharedDatacenters.js"
import * as Store from "../support/consul/Store.js"

const textOf = ({ entries }: Watcher.Contents) =>
  Object.fromEntries(entries.map(({ key, value }) => [key, Option.getOrThrow(Value.toText(value))]))

const watching = <A>(address: string, stream: Stream.Stream<A, unknown, Watcher.Watcher>) =>
  Effect.gen(function* () {
    const services = Watcher.layer.pipe(
      Layer.provide(ConsulHttp.layer({ address })),
      Layer.provide(FetchHttpClient.layer)
    )
    const queue = yield* Queue.unbounded<A>()
    yield* Stream.runForEach(stream, (element) => Queue.offer(queue, element)).pipe(
      Effect.provide(services),
      live,
      Effect.forkScoped
    )
    return Queue.take(queue)
  })

const views = Effect.map(Watcher.Watcher, ({ changes, snapshots }) => ({ changes, snapshots }))

describeConsul("a prefix of a real Consul", () => {
  layer(SharedDatacenters.layer)((it) => {
    it.scoped("is emitted as whole contents that follow its changes", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* SharedDatacenters
        const store = Store.at(nyc1.address)
        yield* store.put({ key: "contents/a", value: "1" }, { key: "contentsBeside", value: "x" })
        const next = yield* watching(
          sfo1.address,
          Stream.unwrap(
            Effect.map(views, ({ snapshots }) =>
              snapshots("contents/", { source: { datacenter: nyc1.name } })
            )
          )
        )
        expect(textOf(yield* next)).toEqual({ "contents/a": "1" })
        yield* store.put({ key: "contents/a", value: "2" }, { key: "contents/b", value: "2" })
        expect(textOf(yield* next)).toEqual({ "contents/a": "2", "contents/b": "2" })
        yield* store.delete("contents/a", "contents/b")
        expect(textOf(yield* next)).toEqual({})
      })
    )

    it.scoped(
      "is emitted as changes with the indexes of Consul, in another program than the replicator",
      () =>
        Effect.gen(function* () {
          const { nyc1 } = yield* SharedDatacenters
          const store = Store.at(nyc1.address)
          yield* store.put({ key: "changes/a", value: "1" })
          const next = yield* watching(
            nyc1.address,
            Stream.unwrap(Effect.map(views, ({ changes }) => changes("changes/")))
          )
          const modifyIndex = Effect.map(store.request("GET", "/v1/kv/changes/a"), ({ text }) =>
            Number(/"ModifyIndex":(\d+)/.exec(text)?.[1])
          )
          expect(yield* next).toMatchObject({ key: "changes/a", entry: { modifyIndex: yield* modifyIndex } })
          yield* store.put({ key: "changes/a", value: "2" })
          expect(yield* next).toMatchObject({
            _tag: "Written",
            entry: { value: Value.fromText("2"), modifyIndex: yield* modifyIndex }
          })
          const last = yield* modifyIndex
          yield* store.delete("changes/a")
          const deleted = yield* next
          expect(deleted).toMatchObject({ _tag: "Deleted", key: "changes/a" })
          expect(deleted._tag === "Deleted" && deleted.index).toBeGreaterThan(last)
        })
    )
  })
})
