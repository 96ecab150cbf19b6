import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import { SharedDatacenters } from "../support/consul/SharedDatacenters.js"
import * as Store from "../support/consul/Store.js"
import * as Program from "./Program.js"

const bytes = (length: number, seed = 7) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed + (i >> 8)) % 256)

/** Names that something between a key and a URL, a JSON document or a terminal may get wrong. */
const oddKeys = [
  "a/",
  "a//b",
  "/lead",
  "//two",
  ".",
  "..",
  "./x",
  "a/../b",
  "a/./c",
  "trailing ",
  " ",
  "tab\tnewline\nreturn\rzero\u0000escape\u001b[31mdel\u007f",
  "%2F",
  "a%2Fb%",
  "?x=1",
  "#frag",
  "a&b=c;d",
  "+plus+ and space",
  "\"quoted\" 'single' \\back\\",
  "emoji 👩‍👩‍👧‍👦 🫠",
  "combining e\u0301 versus \u00e9",
  "nbsp\u00a0zero-width\u200bbom\ufeff",
  "line\u2028separator\u2029",
  "replacement \ufffd real",
  "\\ufffd literal",
  "<html>&amp;",
  "日本語/ключ",
  "global/global/",
  "x".repeat(1024),
  '{"Flags":12345678901234567890}',
  '"Flags":12345678901234567890,'
]

const flags = ["0", "1", "9007199254740993", "3304740253564472344", "18446744073709551615"]

const values: ReadonlyArray<readonly [string, Uint8Array | string]> = [
  ["empty", ""],
  ["all bytes", bytes(256, 0)],
  ["json", '[{"LockIndex":0,"Key":"x","Flags":12345678901234567890,"Value":"YQ=="}]'],
  ["newline at the end", "value\n"],
  ["under the limit of a transaction", bytes(392_000)],
  ["just past it", bytes(393_300)],
  ["between the limits", bytes(450_000)],
  ["512 KiB", bytes(524_288)]
]

/** Everything at once under a prefix; `round` changes each value and flag. */
const store = (prefix: string, round: number): ReadonlyArray<Store.Entry> => [
  ...oddKeys.map((key, i) => ({
    key: prefix + key,
    value: `${round} ${key}`,
    flags: flags[(i + round) % flags.length] ?? "0"
  })),
  ...values.map(([key, value], i) => ({
    key: `${prefix}values/${key}`,
    value: round === 0 ? value : typeof value === "string" ? `${value}${round}` : bytes(value.length, round),
    flags: flags[(i + round) % flags.length] ?? "0"
  }))
]

describeConsul(
  "exactness",
  () => {
    layer(Layer.merge(SharedDatacenters.layer, NodeContext.layer))((it) => {
      const world = Effect.map(SharedDatacenters, ({ nyc1, sfo1 }) => ({
        address: sfo1.address,
        source: Store.at(nyc1.address),
        destination: Store.at(sfo1.address)
      }))

      /** Starts the program with keys of its own, so that tests do not meet. */
      const replicate = (name: string, ...args: ReadonlyArray<string>) =>
        Effect.flatMap(world, ({ address }) =>
          Program.start([
            "-src=nyc1",
            `-addr=${address}`,
            `-lock=service/${name}/leader`,
            `-status=service/${name}/status`,
            `-service=${name}`,
            ...args
          ])
        )

      it.scoped("keys, values and flags arrive as they are: at first, changed and deleted", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          yield* source.put(...store("exact/", 0))
          // In the end all is deleted, which is past any other limit.
          yield* replicate("exact", "-prefix=exact/", "-max-deletes=100%")
          const { source: first } = yield* Store.converge(source, destination, "exact/")
          expect(first).toHaveLength(oddKeys.length + values.length)

          yield* source.put(...store("exact/", 1))
          const { source: second } = yield* Store.converge(source, destination, "exact/")
          expect(second).not.toEqual(first)

          yield* source.delete(...store("exact/", 0).map(({ key }) => key))
          yield* Store.converge(source, destination, "exact/")
          expect(yield* destination.entries("exact/")).toEqual([])
        })
      )

      it.scoped("large values leave no lock behind at the destination", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          yield* source.put({ key: "large/a", value: bytes(500_000), flags: "5" })
          yield* replicate("large", "-prefix=large/")
          yield* Store.converge(source, destination, "large/")
          // The value is there from the moment that the key is acquired; it is given back right after.
          yield* Store.eventually(
            Effect.map(destination.request("GET", "/v1/kv/large/a"), ({ text }) =>
              text.includes('"Session"')
            ),
            (locked) => !locked
          )
        })
      )

      it.scoped(
        "only the front of a key is renamed; neighbours of the prefix stay, and keys of others under it go",
        () =>
          Effect.gen(function* () {
            const { destination, source } = yield* world
            yield* source.put(
              { key: "front/front/x", value: "1" },
              { key: "front/", value: "folder" },
              { key: "frontier", value: "not ours" }
            )
            yield* destination.put(
              { key: "copy/stranger", value: "goes" },
              { key: "copycat", value: "stays" },
              { key: "front/y", value: "stays" }
            )
            yield* replicate("front", "-prefix=front/", "-dst-prefix=copy/")
            yield* Store.eventually(destination.keys("copy/"), (keys) => keys.join() === "copy/,copy/front/x")
            expect(yield* destination.value("copycat")).toBe("stays")
            expect(yield* destination.keys("front")).toEqual(["front/y"])
          })
      )

      it.scoped("a prefix without a slash takes every key that begins so", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          yield* source.put(
            { key: "plain", value: "a" },
            { key: "plainly/b", value: "b" },
            { key: "plai", value: "c" }
          )
          yield* replicate("plain", "-prefix=plain")
          yield* Store.converge(source, destination, "plain")
          expect(yield* destination.keys("plai")).toEqual(["plain", "plainly/b"])
        })
      )

      it.scoped("a prefix that no path can name", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          yield* source.put({ key: "odd//deep\n/a", value: "1" }, { key: "odd/b", value: "2" })
          yield* destination.put(
            { key: "odd//deep\n/stranger", value: "goes" },
            { key: "odd/c", value: "stays" }
          )
          yield* replicate("odd", "-prefix=odd//deep\n/")
          yield* Store.eventually(destination.keys("odd/"), (keys) => keys.join() === "odd//deep\n/a,odd/c")
        })
      )

      it.scoped("a key that a session holds at the source is copied without the lock, with one warning", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          const { text } = yield* source.request("PUT", "/v1/session/create", "{}")
          const { ID: session } = JSON.parse(text) as { readonly ID: string }
          yield* source.request("PUT", `/v1/kv/locked/a?acquire=${session}&flags=7`, "held")
          const program = yield* replicate("locked", "-prefix=locked/")
          yield* Store.converge(source, destination, "locked/")
          yield* source.put({ key: "locked/b", value: "later" })
          yield* Store.converge(source, destination, "locked/")
          const raw = yield* destination.request("GET", "/v1/kv/locked/a")
          expect(raw.text).not.toContain('"Session"')
          const warnings = (yield* program.log).filter((line) => line.includes('"locked/a"'))
          expect(warnings).toHaveLength(1)
          yield* source.request("PUT", `/v1/session/destroy/${session}`)
        })
      )

      it.scoped(
        "a key that is not UTF-8 cannot be named: one warning says so, and the others are copied",
        () =>
          Effect.gen(function* () {
            const { destination, source } = yield* world
            yield* source.request("PUT", "/v1/kv/bytes/%FF", "unnameable")
            yield* source.put({ key: "bytes/\ufffd", value: "nameable" })
            const program = yield* replicate("bytes", "-prefix=bytes/")
            yield* program.says(/1 key .*not valid UTF-8/)
            yield* Store.eventually(destination.entries("bytes/"), (entries) => entries.length === 1)
            expect(yield* destination.value("bytes/\ufffd")).toBe("nameable")
          })
      )
    })
  },
  { concurrent: true }
)

describeConsul("exactness", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer))("the whole store", (it) => {
    it.scoped("is copied except for the replicator's own keys, which stay on either side", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const [source, destination] = [Store.at(nyc1.address), Store.at(sfo1.address)]
        const [lock, status] = ["service/consul-replicate/leader", "service/consul-replicate/status"]
        yield* source.put(
          { key: "a", value: "1" },
          { key: "/b", value: "2" },
          { key: lock, value: "the source's own" },
          { key: status, value: "the source's own" }
        )
        yield* destination.put({ key: "stranger", value: "goes" })
        yield* Program.start(["-src=nyc1", `-addr=${sfo1.address}`, "-prefix="])
        yield* Store.eventually(destination.keys(""), (keys) => keys.join() === `/b,a,${lock},${status}`)
        expect(yield* destination.value(lock)).toContain('"node":"sfo1-1"')
        expect(yield* destination.value(status)).toContain('"LastReplicated":')
        yield* source.put({ key: "c", value: "3" })
        yield* Store.eventually(destination.value("c"), (value) => value === "3")
        expect(yield* destination.value(lock)).toContain('"node":"sfo1-1"')
      })
    )
  })
})
