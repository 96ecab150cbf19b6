/**
 * The right that the error of a denied request names, on a real server: without rights the request is denied, and with exactly
 * that rule it succeeds.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { ConsulError } from "../../src/ConsulError.js"
import { type Consul, ConsulHttp, layer as layerConsul } from "../../src/ConsulHttp.js"
import * as Value from "../../src/Value.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"

const root = "9f1b1b4e-7a0f-4a55-9f0e-3a0f6f0a5c11"

/** A configuration with access control. Requests without a token (those of the test and of the agent) have all rights. */
const guarded = {
  primary_datacenter: "sfo1",
  acl: {
    enabled: true,
    default_policy: "deny",
    enable_key_list_policy: true,
    tokens: { master: root, agent: root, default: root }
  }
}

const Token = Schema.parseJson(Schema.Struct({ SecretID: Schema.String }))

const service = { id: "rights-1", name: "rights", ttl: "1 minute", deregisterAfter: "1 hour" } as const

/** Each kind of request, by the right that it needs. */
const requests = (session: string) =>
  [
    ['key "rights/a" { policy = "read" }', ({ kv }) => kv.get("rights/a")],
    ['key "rights/a" { policy = "write" }', ({ kv }) => kv.put({ key: "rights/a", value: Value.empty })],
    ['key "rights/a" { policy = "write" }', ({ kv }) => kv.delete("rights/a")],
    ['key_prefix "rights/" { policy = "list" }', ({ kv }) => kv.list("rights/")],
    ['key_prefix "rights/" { policy = "list" }', ({ kv }) => kv.keys("rights/")],
    ['agent_prefix "" { policy = "read" }', ({ agent }) => agent.self],
    [
      'session_prefix "" { policy = "write" }',
      ({ session }) => session.create({ name: "s", checks: [], behavior: "release", lockDelay: 0 })
    ],
    ['session_prefix "" { policy = "write" }', (consul) => consul.session.renew(session)],
    ['session_prefix "" { policy = "write" }', (consul) => consul.session.destroy(session)],
    ['service "rights" { policy = "write" }', ({ agent }) => agent.registerService(service)],
    [
      'service "rights" { policy = "write" }',
      ({ agent }) => agent.updateCheck(`service:${service.id}`, { status: "passing", output: "" })
    ],
    ['service "rights" { policy = "write" }', ({ agent }) => agent.deregisterService(service.id)]
  ] satisfies ReadonlyArray<readonly [string, (consul: Consul) => Effect.Effect<unknown, ConsulError>]>

describeConsul("a right", () => {
  layer(NodeContext.layer, { excludeTestServices: true })((it) => {
    it.scoped("that a request lacks is named by the error, and with it the request is allowed", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.datacenters(["nyc1", "sfo1"], {
          own: { sfo1: { config: guarded } }
        })
        const store = Store.at(sfo1.address)
        const client = (token?: string) =>
          Effect.map(
            Layer.build(
              layerConsul({
                address: sfo1.address,
                token: token === undefined ? undefined : Redacted.make(token)
              }).pipe(Layer.provide(FetchHttpClient.layer))
            ),
            Context.get(ConsulHttp)
          )
        let policies = 0
        const clientWith = Effect.fnUntraced(function* (rules: string) {
          policies += 1
          const Name = `p${policies}`
          yield* store.request("PUT", "/v1/acl/policy", JSON.stringify({ Name, Rules: rules }))
          const { text } = yield* store.request(
            "PUT",
            "/v1/acl/token",
            JSON.stringify({ Policies: [{ Name }] })
          )
          const { SecretID } = yield* Effect.orDie(Schema.decode(Token)(text))
          return yield* client(SecretID)
        })
        const all = yield* client()
        yield* all.kv.put({ key: "rights/a", value: Value.empty })
        const session = yield* all.session.create({
          name: "s",
          checks: [],
          behavior: "release",
          lockDelay: 0,
          ttl: "1 hour"
        })
        const none = yield* clientWith("")
        for (const [right, ask] of requests(session)) {
          const denied = yield* Effect.flip(ask(none))
          expect(denied).toMatchObject({ _tag: "Denied", right })
          expect(denied.message).toContain(`the token needs ${right} (`)
          yield* ask(yield* clientWith(right))
        }
        const unknown = yield* client("11111111-2222-3333-4444-555555555555")
        expect((yield* Effect.flip(unknown.kv.get("rights/a"))).message).toContain("the token is not known:")
        // The agent of another datacenter has no token of its own.
        const other = yield* Effect.map(
          Layer.build(layerConsul({ address: nyc1.address }).pipe(Layer.provide(FetchHttpClient.layer))),
          Context.get(ConsulHttp)
        )
        const anonymous = yield* Effect.flip(other.at({ datacenter: "sfo1" }).kv.get("rights/a"))
        expect(anonymous.message).toContain(
          'no token was given, and without one this needs key "rights/a" { policy = "read" } in sfo1; give a token by'
        )
        const nowhere = yield* Effect.flip(other.at({ datacenter: "nyc9" }).kv.get("rights/a"))
        expect(nowhere.message).toMatch(
          /^no path to datacenter "nyc9": the agent knows (nyc1, sfo1|sfo1, nyc1);/
        )
      })
    )
  })
})
