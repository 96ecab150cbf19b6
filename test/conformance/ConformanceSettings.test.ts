/**
 * Compares SimConsul with a real Consul that has the same settings, and SimConsul's names of keys with the code points that Go
 * prints.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { layer } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SimConsul } from "../../src/testing/index.js"
import { isPrintable } from "../../src/testing/internal/go/Unicode.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Side from "./ConformanceSide.js"
import * as Step from "./ConformanceStep.js"

/** A datacenter started with `-dev`, as developers do, with limits of its own. */
class Limited extends Context.Tag("test/consul/Limited")<Limited, RealConsul.Datacenters<"nyc1">>() {
  static readonly layer = Layer.scoped(
    this,
    RealConsul.datacenters(["nyc1"], {
      flags: ["-dev"],
      config: {
        session_ttl_min: "1m",
        limits: { kv_max_value_size: 20_000, txn_max_req_len: 30_000 }
      }
    })
  ).pipe(Layer.provide(NodeContext.layer))
}

const sides = Effect.gen(function* () {
  const { nyc1 } = yield* Limited
  const sim = yield* SimConsul.make({
    datacenters: [
      {
        name: "nyc1",
        agents: [{ name: "nyc1-1", address: nyc1.address }],
        indentedJson: true,
        sessionTtlMin: "1 minute",
        kvMaxValueSize: 20_000,
        txnMaxReqLen: 30_000
      }
    ]
  })
  return [yield* Side.real(nyc1.address), yield* Side.simulated(sim, "nyc1-1")] as const
})

const step = (method: string, target: string, body = ""): Step.Step => ({ method, target, body })

/** The root has the same length on both sides, so that bodies have the same length too. */
const compare = (root: string, steps: ReadonlyArray<Step.Step>) =>
  Effect.flatMap(sides, ([real, simulated]) => Step.compare(real, simulated, root, steps))

const set = (key: string, bytes: number) =>
  `[{"KV":{"Verb":"set","Key":${JSON.stringify(key)},"Value":"${Buffer.alloc(bytes, "v").toString("base64")}"}}]`

const longest = { timeout: 600_000 }

describeConsul("SimConsul answers as Consul does", () => {
  layer(Limited.layer, { excludeTestServices: true })((it) => {
    it.scoped("with indented JSON, a least TTL, and limits of its own", () =>
      compare("limits/", [
        step("PUT", "/v1/kv/{prefix}flags?flags=3304740253564472344", "x"),
        step("GET", "/v1/kv/{prefix}flags"),
        step("GET", "/v1/kv/{prefix}flags?raw"),
        step("GET", "/v1/kv/{prefix}?recurse"),
        step("GET", "/v1/kv/{prefix}?keys"),
        step("GET", "/v1/kv/{prefix}none"),
        step("PUT", "/v1/txn", '[{"KV":{"Verb":"get","Key":"{prefix}none"}}]'),
        step("PUT", "/v1/txn", '[{"KV":{"Verb":"get-tree","Key":"{prefix}"}}]'),
        ...["10s", "59s", "1m", "25h"].map((ttl) => step("PUT", "/v1/session/create", `{"TTL":"${ttl}"}`)),
        step("PUT", "/v1/kv/{prefix}a", "v".repeat(20_000)),
        step("PUT", "/v1/kv/{prefix}a", "v".repeat(20_001)),
        step("PUT", "/v1/txn", set("limits/b", 20_000)),
        step("PUT", "/v1/txn", set("limits/b", 20_001)),
        step("PUT", "/v1/txn", set('limits/"operations"\n', 20_001)),
        step("PUT", "/v1/txn", set("limits/b", 1).padEnd(30_000)),
        step("PUT", "/v1/txn", set("limits/b", 1).padEnd(30_001)),
        step("GET", "/v1/kv/{prefix}?keys")
      ])
    )

    it.scoped("with the index of a prefix that a recursive delete from above has emptied", () =>
      compare("above/", [
        step("PUT", "/v1/kv/{prefix}one/l/a", "1"),
        step("PUT", "/v1/kv/{prefix}one/z", "1"),
        step("GET", "/v1/kv/{prefix}one/l/?recurse"),
        step("DELETE", "/v1/kv/{prefix}one/?recurse"),
        // No tombstone is under this prefix: its index is that of the store, which every write moves.
        step("GET", "/v1/kv/{prefix}one/l/?recurse"),
        step("GET", "/v1/kv/{prefix}one/?recurse"),
        step("PUT", "/v1/kv/{prefix}other", "1"),
        step("GET", "/v1/kv/{prefix}one/l/?recurse"),
        step("PUT", "/v1/kv/{prefix}two/l/a", "1"),
        step("PUT", "/v1/kv/{prefix}two/l/b", "1"),
        step("DELETE", "/v1/kv/{prefix}two/l/b"),
        step("GET", "/v1/kv/{prefix}two/l/?recurse"),
        step("DELETE", "/v1/kv/{prefix}two/?recurse"),
        // An older tombstone is under this prefix: its index stays that of the tombstone.
        step("GET", "/v1/kv/{prefix}two/l/?recurse"),
        step("GET", "/v1/kv/{prefix}two/l/?keys"),
        step("PUT", "/v1/kv/{prefix}other", "2"),
        step("GET", "/v1/kv/{prefix}two/l/?recurse"),
        step("PUT", "/v1/txn", '[{"KV":{"Verb":"delete-tree","Key":"{prefix}"}}]'),
        step("GET", "/v1/kv/{prefix}two/l/?recurse"),
        step("GET", "/v1/kv/{prefix}?recurse")
      ])
    )

    it.scoped(
      "to names of the code points at every border of what Go prints",
      () => {
        const isBorder = (rune: number) => isPrintable(rune) !== isPrintable(rune - 1)
        const isSurrogate = (rune: number) => rune >= 0xd800 && rune <= 0xdfff
        const borders = Arr.range(0x80, 0x10ffff)
          .filter(isBorder)
          .flatMap((rune) => [rune - 1, rune])
          .filter((rune) => !isSurrogate(rune))
        return compare("print/", [
          step("PUT", "/v1/kv/{prefix}", "1"),
          ...Arr.dedupe(borders).map((rune) =>
            step("GET", `/v1/kv/{prefix}${encodeURIComponent(String.fromCodePoint(rune))}`)
          )
        ])
      },
      longest
    )
  })
})
