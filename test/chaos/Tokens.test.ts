import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Program from "../program/Program.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import * as Store from "../support/consul/Store.js"
import * as Figures from "./support/Figures.js"

const root = "9f1b1b4e-7a0f-4a55-9f0e-3a0f6f0a5c11"

/** With rights for whoever names no token: the test, and the agent. */
const guarded = {
  primary_datacenter: "sfo1",
  acl: { enabled: true, default_policy: "deny", tokens: { master: root, agent: root, default: root } }
}

const Token = Schema.parseJson(Schema.Struct({ AccessorID: Schema.String, SecretID: Schema.String }))

/** What README says that a token needs. */
const rules = `
  key_prefix "tokens/" { policy = "write" }
  key_prefix "service/tokens/" { policy = "write" }
  service "tokens" { policy = "write" }
  session_prefix "" { policy = "write" }
  agent_prefix "" { policy = "read" }
`

describeConsul("tokens", () => {
  layer(NodeContext.layer, { excludeTestServices: true })((it) => {
    it.scoped(
      "a token that may not change some keys leaves those; a token that is deleted does not keep the lock",
      (ctx) =>
        Effect.gen(function* () {
          const { nyc1, sfo1 } = yield* RealConsul.datacenters(["nyc1", "sfo1"], {
            own: { sfo1: { config: guarded } }
          })
          const source = Store.at(nyc1.address)
          const destination = Store.at(sfo1.address)

          const policy = (name: string, text: string) =>
            destination.request("PUT", "/v1/acl/policy", JSON.stringify({ Name: name, Rules: text }))
          const token = (...policies: ReadonlyArray<string>) =>
            destination
              .request(
                "PUT",
                "/v1/acl/token",
                JSON.stringify({ Policies: policies.map((Name) => ({ Name })) })
              )
              .pipe(Effect.flatMap(({ text }) => Effect.orDie(Schema.decode(Token)(text))))
          yield* policy("all", rules)
          yield* policy(
            "some",
            `key "tokens/written" { policy = "read" } key "tokens/gone" { policy = "read" }`
          )
          const [some, all] = yield* Effect.all([token("all", "some"), token("all")])

          const start = ({ SecretID }: typeof Token.Type) =>
            Program.start(
              [
                "-src=nyc1",
                `-addr=${sfo1.address}`,
                "-prefix=tokens/",
                "-lock=service/tokens/leader",
                "-status=service/tokens/status",
                "-service=tokens"
              ],
              { CONSUL_HTTP_TOKEN: SecretID }
            )
          yield* destination.put({ key: "tokens/gone", value: "theirs" }, { key: "tokens/extra" })
          yield* source.put({ key: "tokens/written", value: "1" }, { key: "tokens/other", value: "1" })
          const first = yield* start(some)
          const named = yield* first.says(/2 keys did not land, all else does/)
          expect(named).toContain('"tokens/written" cannot be changed at the destination: Permission denied')
          expect(named).toContain('"tokens/gone" cannot be changed at the destination: Permission denied')
          expect(yield* destination.keys("tokens/")).toEqual(["tokens/gone", "tokens/other"])
          expect(yield* destination.value("service/tokens/status")).toContain('"RefusedWrites":2')

          const second = yield* start(all)
          yield* second.says(/standing by/)
          const before = yield* Clock.currentTimeMillis
          yield* destination.request("DELETE", `/v1/acl/token/${some.AccessorID}`)
          yield* Store.eventually(
            destination.keys("tokens/"),
            (keys) => keys.join() === "tokens/other,tokens/written"
          )
          const took = (yield* Clock.currentTimeMillis) - before
          yield* Figures.figure(ctx, `token deleted to the next leader's writes ${Figures.millis([took])}`)
          expect(yield* destination.value("service/tokens/status")).toContain('"RefusedWrites":0')
        })
    )

    it.scoped("a token that may not read the source is named in the log, with the right that it lacks", () =>
      Effect.gen(function* () {
        const { nyc1, sfo1 } = yield* RealConsul.datacenters(["nyc1", "sfo1"], {
          own: { nyc1: { config: { ...guarded, primary_datacenter: "nyc1" } } }
        })
        const source = Store.at(nyc1.address)
        const destination = Store.at(sfo1.address)
        const started = (prefix: string, token: string) =>
          Program.start(
            ["-once", "-src=nyc1", `-addr=${sfo1.address}`, `-prefix=${prefix}`],
            token === "" ? {} : { CONSUL_HTTP_TOKEN: token }
          )
        yield* source.put({ key: "tokens/a", value: "1" })

        const refused = yield* started("tokens/", "")
        expect(yield* refused.exit).toEqual(Option.some(1))
        const log = (yield* refused.log).join("\n")
        expect(log).toContain(
          'cannot read any key under "tokens/" in nyc1: Permission denied; no token was given, and one needs ' +
            'key_prefix "tokens/" { policy = "read" } in datacenter nyc1'
        )
        expect(log).not.toContain("in sync")

        const allowed = yield* started("token/", root)
        expect(yield* allowed.exit).toEqual(Option.some(0))
        expect((yield* allowed.log).join("\n")).toContain('nyc1 has no keys under "token/": ')
        const all = yield* started("tokens/", root)
        expect(yield* all.exit).toEqual(Option.some(0))
        expect(yield* destination.keys("tokens/")).toEqual(["tokens/a"])
      })
    )
  })
})
