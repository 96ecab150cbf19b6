import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as AgentSettings from "../../../src/cli/settings/AgentSettings.js"
import { present } from "../../../src/internal/consul/HttpRequest.js"
import * as Logs from "../../../src/testing/Logs.js"
import { failureOf } from "../../support/Failure.js"

const option = (name: string, text: string): AgentSettings.Given => ({
  name: `-${name}`,
  text,
  isVariable: false
})

const variable = (name: string, text: string): AgentSettings.Given => ({ name, text, isVariable: true })

const nothing: AgentSettings.AgentSettings = {
  address: undefined,
  tokenFile: undefined,
  token: undefined,
  otherTokens: [],
  auth: undefined,
  ssl: undefined,
  sslVerify: undefined,
  caFile: undefined,
  caPath: undefined,
  certificateFile: undefined,
  keyFile: undefined,
  serverName: undefined,
  namespace: undefined,
  partition: undefined
}

const flags: AgentSettings.Flags = {
  address: "-addr",
  caFile: "-consul-ssl-ca-cert",
  certificateFile: "-consul-ssl-cert",
  serverName: "-consul-ssl-server-name"
}

const proxies = { http: undefined, https: undefined, none: undefined }

const resolve = (address: string, given: Partial<AgentSettings.AgentSettings> = {}) =>
  AgentSettings.resolve(
    { ...nothing, ...given, address: option("addr", address) },
    flags,
    proxies,
    undefined
  ).pipe(Effect.provide(NodeContext.layer))

const file = (text: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const path = yield* files.makeTempFileScoped()
    yield* files.writeFileString(path, text)
    return path
  }).pipe(Effect.provide(NodeContext.layer))

const tokenOf = (given: Partial<AgentSettings.AgentSettings>) =>
  Effect.gen(function* () {
    const { endpoint } = yield* resolve("127.0.0.1:8500", given)
    const token = yield* present(endpoint.token)
    return token === undefined ? null : Redacted.value(token)
  })

const tls = "127.0.0.1:8501"
const ssl = variable("CONSUL_HTTP_SSL", "true")

describe("an agent", () => {
  it.scoped.each([
    [{ ssl }, true],
    [{ ssl: option("consul-ssl", "1") }, true],
    [{ serverName: option("consul-ssl-server-name", "a") }, true],
    [{ sslVerify: option("consul-ssl-verify", "false") }, true],
    [{ serverName: variable("CONSUL_TLS_SERVER_NAME", "a") }, true],
    [{ sslVerify: variable("CONSUL_HTTP_SSL_VERIFY", "false") }, false],
    [{ ssl: option("consul-ssl", "false"), serverName: variable("CONSUL_TLS_SERVER_NAME", "a") }, false],
    [{}, false]
  ] as const)("whose address names no scheme is asked over TLS with %j: %s", ([given, isSecure]) =>
    Effect.gen(function* () {
      const { connection, endpoint } = yield* resolve(tls, given)
      expect(endpoint.address).toBe(`http${isSecure ? "s" : ""}://${tls}`)
      expect(connection.tls !== undefined).toBe(isSecure)
    })
  )

  it.scoped.each(["http://127.0.0.1:8500", "unix:///run/consul.sock"])(
    "at %s is refused with what asks for TLS, and not asked in clear",
    (address) =>
      Effect.gen(function* () {
        for (const given of [
          { ssl },
          { caFile: option("consul-ssl-ca-cert", "/ca.pem") },
          { sslVerify: option("consul-ssl-verify", "false") }
        ]) {
          const { message } = yield* failureOf(resolve(address, given))
          expect(message).toMatch(
            /^(CONSUL_HTTP_SSL|-consul-ssl-[a-z-]+) ".+": asks for TLS, and the address .* has none; give -addr=https:\/\/host:port, or drop \1 if the agent speaks no TLS$/
          )
        }
        // May be meant for another program.
        yield* resolve(address, { caFile: variable("CONSUL_CACERT", "/ca.pem") })
      })
  )

  it.scoped(
    "whose certificate files cannot be used is refused with the name of the setting and the path",
    () =>
      Effect.gen(function* () {
        const empty = yield* file("no certificate\n")
        for (const [given, message] of [
          [
            { caFile: option("consul-ssl-ca-cert", "/nowhere") },
            '-consul-ssl-ca-cert "/nowhere": it is not there'
          ],
          [{ caFile: variable("CONSUL_CACERT", "/nowhere") }, 'CONSUL_CACERT "/nowhere": it is not there'],
          [{ caPath: variable("CONSUL_CAPATH", "/nowhere") }, 'CONSUL_CAPATH "/nowhere": it is not there'],
          [
            { certificateFile: variable("CONSUL_CLIENT_CERT", empty) },
            `CONSUL_CLIENT_CERT ${JSON.stringify(empty)}: it holds no certificate in PEM form`
          ],
          [
            { keyFile: variable("CONSUL_CLIENT_KEY", empty) },
            `CONSUL_CLIENT_KEY ${JSON.stringify(empty)}: a key needs a certificate, too`
          ]
        ] as const) {
          expect((yield* failureOf(resolve(`https://${tls}`, given))).message).toBe(message)
        }
      })
  )

  it.scoped("names the settings of its certificates in messages, each by where it was given", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* resolve(tls, { ssl, serverName: variable("CONSUL_TLS_SERVER_NAME", "a") })
      expect(endpoint.settings).toEqual({
        address: "-addr",
        ca: "-consul-ssl-ca-cert",
        serverName: "CONSUL_TLS_SERVER_NAME",
        certificate: "-consul-ssl-cert, which is not given"
      })
    })
  )

  it.scoped("that is not verified is warned of", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      yield* logs.capture(resolve(tls, { ssl, sslVerify: variable("CONSUL_HTTP_SSL_VERIFY", "0") }))
      expect(logs.lines).toEqual([
        `WARN CONSUL_HTTP_SSL_VERIFY "0": the certificate of https://${tls} is not verified; any server that answers there gets the token`
      ])
    })
  )

  it.scoped(
    "of the source that is asked by the destination's agent has no connection of its own to set",
    () =>
      Effect.gen(function* () {
        const same = (given: Partial<AgentSettings.AgentSettings>) =>
          AgentSettings.resolveSame(
            { ...nothing, ...given },
            { ...flags, address: "-src-addr" },
            "-src-token"
          ).pipe(Effect.provide(NodeContext.layer))
        const refused = yield* failureOf(same({ caFile: option("src-ssl-ca-cert", "/ca.pem") }))
        expect(refused.message).toBe(
          '-src-ssl-ca-cert "/ca.pem": is for a source with an agent of its own; name that agent by -src-addr'
        )
        expect(yield* same({ namespace: option("src-namespace", "team") })).toEqual({ namespace: "team" })
      })
  )
})

describe("the token", () => {
  const h = variable("CONSUL_HTTP_TOKEN", "h")

  it.scoped("is that of the file before the variables", () =>
    Effect.gen(function* () {
      const tokenFile = variable("CONSUL_HTTP_TOKEN_FILE", yield* file("  f \r\n\n"))
      expect(yield* tokenOf({ tokenFile, token: h })).toBe("f")
      expect(yield* tokenOf({ token: variable("CONSUL_TOKEN", "t\n") })).toBe("t")
      expect(yield* tokenOf({})).toBe(null)
    })
  )

  it.scoped("of a file that is empty is another one, and the lack of any is refused", () =>
    Effect.gen(function* () {
      const path = yield* file("\n")
      const tokenFile = variable("CONSUL_HTTP_TOKEN_FILE", path)
      expect(yield* tokenOf({ tokenFile, token: h })).toBe("h")
      const { message } = yield* failureOf(tokenOf({ tokenFile }))
      expect(message).toBe(
        `CONSUL_HTTP_TOKEN_FILE ${JSON.stringify(path)}: the file has no token; write the token alone into it`
      )
    })
  )

  it.scoped("of a file that cannot be read is refused, whatever else there is", () =>
    Effect.gen(function* () {
      const tokenFile = option("token-file", "/nowhere/token")
      expect((yield* failureOf(tokenOf({ tokenFile, token: h }))).message).toBe(
        '-token-file "/nowhere/token": the file cannot be read: it is not there'
      )
    })
  )

  it.scoped("that no header carries is refused, and in no message", () =>
    Effect.gen(function* () {
      for (const token of ["5ecret\nx", "5ecret\x00", "5ecret\x7f", "5ecretä", "5ecret\u{1f642}"]) {
        for (const given of [
          { token: variable("CONSUL_HTTP_TOKEN", token) },
          { tokenFile: variable("CONSUL_HTTP_TOKEN_FILE", yield* file(token)) }
        ]) {
          const error = yield* failureOf(tokenOf(given))
          expect(error.message).toMatch(/^CONSUL_\w+: the token has a character that no header carries/)
          expect(JSON.stringify(error)).not.toContain("5ecret")
        }
      }
    })
  )

  it.scoped("of two variables that differ, and one on the command line, is warned of without either", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      const token = option("consul-token", "5ecret-c")
      const otherTokens = [variable("CONSUL_HTTP_TOKEN", "5ecret-h")]
      expect(yield* logs.capture(tokenOf({ token, otherTokens }))).toBe("5ecret-c")
      expect(logs.lines).toEqual([
        "WARN the token of -consul-token is used; CONSUL_HTTP_TOKEN holds another one",
        "WARN -consul-token: every user of this machine sees it in the list of processes; name a file that holds the token instead"
      ])
    })
  )

  it.scoped(
    "of a file that changes is the new one, and of a file that is emptied or gone the former one",
    () =>
      Effect.gen(function* () {
        const logs = Logs.make()
        const files = yield* Effect.provide(FileSystem.FileSystem, NodeContext.layer)
        const path = yield* file("first-5ecret")
        yield* Effect.gen(function* () {
          const { endpoint } = yield* resolve("127.0.0.1:8500", { tokenFile: option("token-file", path) })
          const now = Effect.map(present(endpoint.token), (token) => token && Redacted.value(token))
          // Files are read by the real event loop: each look is given its time.
          const look = Effect.gen(function* () {
            yield* TestClock.adjust("2 seconds")
            yield* Effect.withClock(Effect.sleep("50 millis"), Clock.make())
          })
          const until = (token: string) =>
            Effect.repeat(Effect.zipRight(look, now), { until: (text) => text === token })
          expect(yield* now).toBe("first-5ecret")
          yield* files.writeFileString(path, "second-5ecret\n")
          yield* until("second-5ecret")
          yield* files.writeFileString(path, "")
          yield* Effect.repeat(look, {
            until: () => logs.lines.some((line) => line.includes("has no token"))
          })
          expect(yield* now).toBe("second-5ecret")
          yield* files.remove(path)
          yield* look
          expect(yield* now).toBe("second-5ecret")
          yield* files.writeFileString(path, "third-5ecret")
          yield* until("third-5ecret")
        }).pipe(logs.capture)
        expect(logs.lines).toContain("INFO -token-file: the token has changed; the new one is in use")
        expect(logs.lines.join("\n")).not.toContain("5ecret")
      })
  )
})
