import * as Crypto from "node:crypto"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Network from "../../src/testing/Network.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Figures from "./support/Figures.js"
import * as Pair from "./support/Pair.js"
import * as Proxy from "./support/Proxy.js"

interface Refusal {
  readonly status: number
  readonly text: RegExp
}

interface Case {
  readonly what: string
  readonly name: string
  /** What the source is given in its rounds 1, 2 and 3. */
  readonly entries: (prefix: string, round: number) => ReadonlyArray<Store.Entry>
  /** The write that is held, and how many like it pass before. */
  readonly held: (prefix: string) => RegExp
  readonly passed?: number
  /** What Consul answers to it when the session of the lock has ended. */
  readonly refusal: Refusal
}

const fenced: Refusal = { status: 409, text: /"OpIndex":0,/ }
const guarded: Refusal = { status: 409, text: /"OpIndex":1,/ }
const invalidSession: Refusal = { status: 500, text: /invalid session/ }

const largeValue = (prefix: string, round: number) => [
  { key: `${prefix}a`, value: String(round).repeat(500_000) }
]

const small: Case = {
  what: "a small key",
  name: "small",
  entries: (prefix, round) => [{ key: `${prefix}a`, value: `round ${round}` }],
  held: () => /^PUT \/v1\/txn/,
  refusal: fenced
}

const large: Case = {
  what: "a value of 500,000 bytes",
  name: "large",
  entries: largeValue,
  held: (prefix) => new RegExp(`^PUT /v1/kv/${prefix}a\\?.*acquire=`),
  refusal: invalidSession
}

const cases: ReadonlyArray<Case> = [
  small,
  {
    what: "the second of several batches",
    name: "batch",
    entries: (prefix, round) =>
      Array.from({ length: 200 }, (_, i) => ({ key: prefix + i, value: `round ${round}` })),
    held: () => /^PUT \/v1\/txn/,
    passed: 1,
    refusal: fenced
  },
  large,
  {
    what: "the release of a value of 500,000 bytes",
    name: "release",
    entries: largeValue,
    held: (prefix) => new RegExp(`^PUT /v1/kv/${prefix}a\\?.*release=`),
    refusal: { status: 200, text: /^false/ }
  }
]

/** The leader goes on leading after a small one; a large one costs it the lock, since nothing else voids that. */
const givenUp: ReadonlyArray<{ one: Case; name: string; refusal: Refusal; said: RegExp }> = [
  { one: small, name: "small-given-up", refusal: guarded, said: /replication is held up: no answer/ },
  {
    one: large,
    name: "large-given-up",
    refusal: invalidSession,
    said: /lost the lock .*given up, since a large/
  }
]

describeConsul("two writers never", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer), { excludeTestServices: true })(
    (it) => {
      /** A program behind a proxy which copies round 1 and leads. */
      const world = Effect.fnUntraced(function* ({ entries, name }: Pick<Case, "entries" | "name">) {
        const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
        const pair = Pair.make(name, { source: nyc1, destination: sfo1 })
        const proxy = yield* Proxy.make(sfo1.address)
        yield* pair.source.put(...entries(pair.prefix, 1))
        const leader = yield* pair.start(proxy.address)
        yield* pair.settle
        // The lock of a large key is given back after its value is there.
        yield* leader.says(/in sync/)
        return { pair, proxy, leader }
      })

      /** Lets as many pass, and holds the next. */
      const after = (passed: number, fault: Network.Fault): Network.Fault => {
        let left = passed
        return (sent, pass) => (left-- > 0 ? pass : fault(sent, pass))
      }

      /** Changes with any write to the pair's keys, and says nothing of their values. */
      const footprint = ({ destination, prefix }: Pair.Pair) =>
        Effect.map(destination.request("GET", `/v1/kv/${prefix}?recurse`), ({ text }) =>
          Crypto.createHash("sha1").update(text).digest("hex")
        )

      for (const one of cases) {
        it.scoped(
          `${one.what}, stuck in the network until another instance leads, does not land`,
          (ctx) =>
            Effect.gen(function* () {
              const { leader, pair, proxy } = yield* world(one)
              const hold = yield* Proxy.hold
              yield* proxy.network.disturb(
                Network.on(one.held(pair.prefix), after(one.passed ?? 0, hold.fault))
              )
              yield* pair.source.put(...one.entries(pair.prefix, 2))
              yield* hold.held
              const before = yield* Clock.currentTimeMillis
              yield* leader.signal("SIGSTOP")

              const standby = yield* pair.start()
              yield* standby.says(/in sync/)
              const took = (yield* Clock.currentTimeMillis) - before
              yield* pair.source.put(...one.entries(pair.prefix, 3))
              yield* pair.settle
              yield* standby.says(/replicated/)
              const settled = yield* footprint(pair)

              const refused = yield* hold.release
              expect(refused).toMatchObject({
                status: one.refusal.status,
                text: expect.stringMatching(one.refusal.text)
              })
              expect(yield* footprint(pair), "the destination after the release").toBe(settled)

              yield* leader.signal("SIGCONT")
              yield* leader.says(/lost the lock/)
              yield* leader.says(/standing by/)
              expect(yield* footprint(pair), "the destination after the thaw").toBe(settled)
              yield* standby.signal("SIGTERM")
              yield* Store.eventually(
                leader.log,
                (log) => log.filter((line) => /leading/.test(line)).length === 2
              )
              yield* pair.arrives("after")
              yield* pair.settle
              yield* Figures.figure(
                ctx,
                `refused with ${refused.status}; the standby was in sync after ${took} ms`
              )
            }),
          { concurrent: true }
        )
      }

      for (const { name, one, refusal, said } of givenUp) {
        it.scoped(
          `${one.what}, stuck until its own writer has given it up, does not land`,
          (ctx) =>
            Effect.gen(function* () {
              const { leader, pair, proxy } = yield* world({ ...one, name })
              const hold = yield* Proxy.hold
              yield* proxy.network.disturb(Network.on(one.held(pair.prefix), hold.fault))
              yield* pair.source.put(...one.entries(pair.prefix, 2))
              yield* hold.held
              // After 10 s.
              yield* leader.says(said)
              yield* pair.settle
              yield* pair.source.put(...one.entries(pair.prefix, 3))
              yield* pair.settle
              yield* leader.says(/replicated/)
              const settled = yield* footprint(pair)
              const refused = yield* hold.release
              expect(refused).toMatchObject({
                status: refusal.status,
                text: expect.stringMatching(refusal.text)
              })
              expect(yield* footprint(pair), "the destination after the release").toBe(settled)
              yield* Figures.figure(ctx, `refused with ${refused.status}`)
            }),
          { concurrent: true }
        )
      }
    }
  )
})
