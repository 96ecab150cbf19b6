/**
 * The built command between two real clusters that are not joined and are both called `dc1`: ACLs deny by default on both, and
 * the source takes only clients with a certificate. The policies are those of docs/security.md.
 */
import { readFileSync } from "node:fs"
import * as Https from "node:https"
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ConsulAgent from "../support/consul/ConsulAgent.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as FreePorts from "../support/consul/FreePorts.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import { eventually } from "../support/consul/Store.js"
import * as Expired from "../support/ExpiredCertificate.js"
import * as Program from "./Program.js"

/** The policy under this heading of the page. */
const policy = (name: string): string => {
  const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8")
  const blocks = [...page.matchAll(/```hcl\n# (\w+)\n([^`]+)```/g)]
  return blocks.find(([, heading]) => heading === name)?.[2] ?? ""
}

const root = "9f1b1b4e-7a0f-4a55-9f0e-3a0f6f0a5c11"

const guarded = {
  primary_datacenter: "dc1",
  acl: { enabled: true, default_policy: "deny", tokens: { master: root, agent: root } }
}

interface Side {
  readonly address: string
  /** As an operator with all rights: the text of the answer. */
  readonly ask: (method: "GET" | "PUT" | "DELETE", path: string, body?: string) => Effect.Effect<string>
  /** A new token with a policy. */
  readonly token: (rules: string) => Effect.Effect<{ readonly SecretID: string; readonly AccessorID: string }>
}

const sideAt = (address: string): Side => {
  const ask: Side["ask"] = (method, path, body) =>
    HttpClientRequest.make(method)(`http://${address}${path}`, { headers: { "x-consul-token": root } }).pipe(
      (request) => (body === undefined ? request : HttpClientRequest.bodyText(request, body)),
      HttpClient.execute,
      Effect.flatMap(({ text }) => text),
      Effect.provide(NodeHttpClient.layer),
      Effect.orDie,
      ConsulAgent.live
    )
  let policies = 0
  return {
    address,
    ask,
    token: (rules) =>
      Effect.gen(function* () {
        const Name = `p${policies++}`
        yield* ask("PUT", "/v1/acl/policy", JSON.stringify({ Name, Rules: rules }))
        return JSON.parse(yield* ask("PUT", "/v1/acl/token", JSON.stringify({ Policies: [{ Name }] })))
      })
  }
}

class Clusters extends Context.Tag("test/program/SeparateClusters")<
  Clusters,
  {
    readonly source: Side & { readonly https: string }
    readonly destination: Side
    /** The path of a file in the folder of the certificates. */
    readonly file: (name: string) => string
  }
>() {
  static readonly layer = Layer.scoped(
    this,
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped({ prefix: "consul-replicate-" })
      const file = (name: string) => `${folder}/${name}`
      const binary = yield* RealConsul.binary
      for (const args of [
        ["ca", "create"],
        ["cert", "create", "-server", "-dc=dc1", "-additional-ipaddress=127.0.0.1"],
        ["cert", "create", "-client"]
      ]) {
        yield* Command.exitCode(Command.make(binary, "tls", ...args).pipe(Command.workingDirectory(folder)))
      }
      // Of another authority.
      yield* files.makeDirectory(file("other"))
      for (const args of [
        ["ca", "create"],
        ["cert", "create", "-client"]
      ]) {
        yield* Command.exitCode(
          Command.make(binary, "tls", ...args).pipe(Command.workingDirectory(file("other")))
        )
      }
      yield* files.writeFileString(file("expired.pem"), Expired.certificate)
      yield* files.writeFileString(file("expired-key.pem"), Expired.key)
      const port = yield* FreePorts.take(1)
      const [source, destination] = yield* Effect.all(
        [
          RealConsul.datacenters(["dc1"], {
            config: {
              ...guarded,
              ports: { https: port },
              verify_incoming_https: true,
              ca_file: file("consul-agent-ca.pem"),
              cert_file: file("dc1-server-consul-0.pem"),
              key_file: file("dc1-server-consul-0-key.pem")
            }
          }),
          RealConsul.datacenters(["dc1"], { config: guarded })
        ],
        { concurrency: "unbounded" }
      )
      return {
        source: { ...sideAt(source.dc1.address), https: `https://127.0.0.1:${port}` },
        destination: sideAt(destination.dc1.address),
        file
      }
    })
  ).pipe(Layer.provide(NodeContext.layer))
}

const valueOf = (side: Side, key: string) => side.ask("GET", `/v1/kv/${key}?raw`)

describeConsul("two clusters that are not joined", () => {
  layer(Layer.merge(Clusters.layer, NodeContext.layer), { excludeTestServices: true })((it) => {
    /** Options of mutual TLS with the source. */
    const mutual = Effect.map(Clusters, ({ file }) => [
      `-src-ssl-ca-cert=${file("consul-agent-ca.pem")}`,
      `-src-ssl-cert=${file("dc1-client-consul-0.pem")}`,
      `-src-ssl-key=${file("dc1-client-consul-0-key.pem")}`
    ])

    /** Starts the program with tokens of the least rights, and what is given beside. */
    const start = (
      args: ReadonlyArray<string>,
      env: Readonly<Record<string, string>> = {},
      rules: { readonly source?: string; readonly destination?: string } = {}
    ) =>
      Effect.gen(function* () {
        const { destination, source } = yield* Clusters
        const here = yield* destination.token(rules.destination ?? policy("destination"))
        const there = yield* source.token(rules.source ?? policy("source"))
        const program = yield* Program.start([`-addr=${destination.address}`, ...args], {
          CONSUL_HTTP_TOKEN: here.SecretID,
          CONSUL_REPLICATE_SRC_TOKEN: there.SecretID,
          ...env
        })
        return { program, here, there }
      })

    const overTls = (...args: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const { source } = yield* Clusters
        return [`-src-addr=${source.https}`, ...(yield* mutual), ...args]
      })

    it.scoped("are replicated over mutual TLS with the least rights, and no secret is in any output", () =>
      Effect.gen(function* () {
        const { destination, file, source } = yield* Clusters
        const fs = yield* FileSystem.FileSystem
        yield* source.ask("PUT", "/v1/kv/global/a", "first")
        const { here, program, there } = yield* start(
          yield* overTls("-log-level=trace", "-reconcile=1s", "-src-auth=user:pa55word")
        )
        yield* program.says(/in sync: https:\/\/127\.0\.0\.1:\d+ "global\/" to "global\/"/)
        yield* source.ask("PUT", "/v1/kv/global/a", "second")
        yield* eventually(valueOf(destination, "global/a"), (value) => value === "second")
        // What others do at the destination makes the leader write of its own accord, too.
        yield* destination.ask("PUT", "/v1/kv/global/a", "drift")
        yield* eventually(valueOf(destination, "global/a"), (value) => value === "second")
        expect(yield* valueOf(destination, "service/consul-replicate/status")).toContain(source.https)
        yield* program.signal("SIGTERM")
        expect(yield* program.exit).toEqual(Option.some(0))
        const output = [...(yield* program.log), ...(yield* program.output)].join("\n")
        expect(output).toContain("TRACE")
        const key = yield* fs.readFileString(file("dc1-client-consul-0-key.pem"))
        const secrets = [here.SecretID, there.SecretID, "pa55word", ...key.trim().split("\n").slice(1, -1)]
        for (const secret of secrets) expect(output).not.toContain(secret)
      })
    )

    it.scoped("by the variables of the environment are replicated as by options", () =>
      Effect.gen(function* () {
        const { destination, file, source } = yield* Clusters
        yield* source.ask("PUT", "/v1/kv/global/env", "x")
        const { program } = yield* start(["-once"], {
          CONSUL_REPLICATE_SRC_ADDR: source.https,
          CONSUL_REPLICATE_SRC_SSL_CA_CERT: file("consul-agent-ca.pem"),
          CONSUL_REPLICATE_SRC_SSL_CERT: file("dc1-client-consul-0.pem"),
          CONSUL_REPLICATE_SRC_SSL_KEY: file("dc1-client-consul-0-key.pem")
        })
        expect(yield* program.exit).toEqual(Option.some(0))
        expect(yield* valueOf(destination, "global/env")).toBe("x")
      })
    )

    const lines = policy("destination").trim().split("\n")
    for (const line of lines) {
      it.scoped(`need each right of the least policy: without ${line}, one line asks for it`, () =>
        Effect.gen(function* () {
          const { source } = yield* Clusters
          yield* source.ask("PUT", "/v1/kv/global/right", line)
          const { program } = yield* start(
            yield* overTls("-once", "-timeout=20s"),
            {},
            {
              destination: lines.filter((other) => other !== line).join("\n")
            }
          )
          expect(yield* program.exit).toEqual(Option.some(1))
          const log = (yield* program.log).join("\n")
          const [, resource = ""] = /^(\w+?)(?:_prefix)? /.exec(line) ?? []
          expect(log).toMatch(new RegExp(`(?:needs|lacks|Permission denied).*${resource}`))
        })
      )
    }

    it.scoped("say which token was missing or lacks a right, and the line that grants it", () =>
      Effect.gen(function* () {
        const { source } = yield* Clusters
        yield* source.ask("PUT", "/v1/kv/global/a", "x")
        const args = yield* overTls("-once")
        const without = yield* start(args, { CONSUL_REPLICATE_SRC_TOKEN: "" })
        expect(yield* without.program.exit).toEqual(Option.some(1))
        expect((yield* without.program.log).at(-1)).toMatch(
          /cannot read any key under "global\/" .*no token was given, and one needs key_prefix "global\/" \{ policy = "read" \}/
        )
        // A token may be on its way from another datacenter: it is waited for.
        const unknown = yield* start([...args, "-timeout=5s"], {
          CONSUL_REPLICATE_SRC_TOKEN: "7c8d2c2e-0000-4000-8000-000000000000"
        })
        expect(yield* unknown.program.exit).toEqual(Option.some(1))
        expect((yield* unknown.program.log).join("\n")).toMatch(
          /the token of CONSUL_REPLICATE_SRC_TOKEN is not known/
        )
        const wrong = yield* start(args, {}, { source: 'key_prefix "other/" { policy = "read" }' })
        expect(yield* wrong.program.exit).toEqual(Option.some(1))
        expect((yield* wrong.program.log).at(-1)).toMatch(
          /the token lacks key_prefix "global\/" \{ policy = "read" \}/
        )
      })
    )

    it.scoped("go on with the token that replaces a deleted one in its file", () =>
      Effect.gen(function* () {
        const { destination, file, source } = yield* Clusters
        const fs = yield* FileSystem.FileSystem
        const first = yield* source.token(policy("source"))
        yield* fs.writeFileString(file("token"), `${first.SecretID}\n`)
        const { program } = yield* start(yield* overTls(`-src-token-file=${file("token")}`))
        yield* program.says(/in sync/)
        const second = yield* source.token(policy("source"))
        yield* fs.writeFileString(file("token"), `${second.SecretID}\n`)
        yield* program.says(/-src-token-file: the token has changed; the new one is in use/)
        yield* source.ask("DELETE", `/v1/acl/token/${first.AccessorID}`)
        yield* source.ask("PUT", "/v1/kv/global/a", "with the second token")
        yield* eventually(valueOf(destination, "global/a"), (value) => value === "with the second token")
      })
    )

    const failures = Effect.map(Clusters, ({ file, source }) => {
      const ca = `-src-ssl-ca-cert=${file("consul-agent-ca.pem")}`
      const own = [
        `-src-ssl-cert=${file("dc1-client-consul-0.pem")}`,
        `-src-ssl-key=${file("dc1-client-consul-0-key.pem")}`
      ]
      const at = `-src-addr=${source.https}`
      return {
        "does not verify": [[at, ...own], /certificate is not trusted.*-src-ssl-ca-cert/],
        "is for another name": [
          [at, ca, ...own, "-src-ssl-server-name=other.example"],
          /certificate is for another name.*-src-ssl-server-name/
        ],
        "of the client is missing": [
          [at, ca],
          /wants a client certificate.*-src-ssl-cert, which is not given/
        ],
        "of the client is of another authority": [
          [
            at,
            ca,
            `-src-ssl-cert=${file("other/dc1-client-consul-0.pem")}`,
            `-src-ssl-key=${file("other/dc1-client-consul-0-key.pem")}`
          ],
          /wants a client certificate that it trusts; see -src-ssl-cert ".*other/
        ],
        "is asked of a server without TLS": [
          [`-src-addr=https://${source.address}`, ca],
          /speaks no TLS.*(?:-src-addr)/
        ],
        "is not asked of a server with TLS": [
          [`-src-addr=${source.https.replace("https:", "http:")}`],
          /speaks TLS.*-src-addr/
        ]
      } as const
    })

    for (const name of [
      "does not verify",
      "is for another name",
      "of the client is missing",
      "of the client is of another authority",
      "is asked of a server without TLS",
      "is not asked of a server with TLS"
    ] as const) {
      it.scoped(`say in one line that a certificate ${name}, and which option that is about`, () =>
        Effect.gen(function* () {
          const [args, message] = (yield* failures)[name]
          const once = yield* start([...args, "-once"])
          expect(yield* once.program.exit).toEqual(Option.some(1))
          expect((yield* once.program.log).at(-1)).toMatch(message)
          // Without -once it waits for the certificate to be mended, and says the same.
          const { program } = yield* start(args)
          yield* program.says(new RegExp(`WARN +waiting for the source .*${message.source}`))
        })
      )
    }

    it.scoped("say that a certificate has expired, be it the server's or the client's", () =>
      Effect.gen(function* () {
        const { file, source } = yield* Clusters
        const server = yield* Effect.acquireRelease(
          Effect.async<Https.Server>((resume) => {
            const made = Https.createServer({ cert: Expired.certificate, key: Expired.key })
            made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
          }),
          (server) => Effect.sync(() => void server.close())
        )
        const listening = server.address()
        const port = listening !== null && typeof listening === "object" ? listening.port : 0
        const theirs = yield* start([
          "-once",
          `-src-addr=https://127.0.0.1:${port}`,
          `-src-ssl-ca-cert=${file("expired.pem")}`
        ])
        expect(yield* theirs.program.exit).toEqual(Option.some(1))
        expect((yield* theirs.program.log).at(-1)).toMatch(/its certificate has expired.*-src-addr/)
        const own = yield* start([
          `-src-addr=${source.https}`,
          `-src-ssl-cert=${file("expired.pem")}`,
          `-src-ssl-key=${file("expired-key.pem")}`
        ])
        expect(yield* own.program.exit).toEqual(Option.some(2))
        expect((yield* own.program.log).at(-1)).toMatch(/-src-ssl-cert ".*": the certificate has expired on /)
      })
    )

    it.scoped("that are one by another address are refused, and nothing is written", () =>
      Effect.gen(function* () {
        const { destination } = yield* Clusters
        yield* destination.ask("PUT", "/v1/kv/global/only-here", "x")
        const args = [
          `-src-addr=http://localhost:${destination.address.split(":")[1]}`,
          "-dst-prefix=global/copy/"
        ]
        const refusal = (rules: string) =>
          Effect.gen(function* () {
            const { SecretID } = yield* destination.token(rules)
            const { program } = yield* start(args, { CONSUL_REPLICATE_SRC_TOKEN: SecretID })
            expect(yield* program.exit).toEqual(Option.some(2))
            return (yield* program.log).at(-1)
          })
        expect(yield* refusal(policy("destination"))).toMatch(
          /-src-addr: http:\/\/localhost:\d+ is an agent of the cluster that is replicated into/
        )
        expect(yield* refusal(policy("source"))).toMatch(
          /-src-addr: http:\/\/localhost:\d+ may be .*give the token of the source node_prefix "" \{ policy = "read" \}/
        )
        expect(yield* destination.ask("GET", "/v1/kv/global/copy/?keys")).toBe("")
      })
    )
  })
})
