import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Address from "../../../src/Address.js"
import * as Environment from "../../../src/cli/settings/Environment.js"
import * as Logs from "../../../src/testing/Logs.js"
import { failureOf } from "../../support/Failure.js"

type Variables = Readonly<Record<string, string>>

const within = (variables: Variables) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const validate = (address: string, variables: Variables) =>
  Environment.validate(Either.getOrThrow(Address.parse(address))).pipe(within(variables))

const tokenOf = (variables: Variables) =>
  Environment.token.pipe(
    Effect.map(Option.map(Redacted.value)),
    Effect.map(Option.getOrNull),
    within(variables),
    Effect.provide(NodeContext.layer)
  )

const file = (text: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const path = yield* files.makeTempFileScoped()
    yield* files.writeFileString(path, text)
    return path
  }).pipe(Effect.provide(NodeContext.layer))

const http = "127.0.0.1:8500"
const https = "https://127.0.0.1:8501"

describe("the environment of the consul command", () => {
  it.effect.each([
    "CONSUL_CACERT",
    "CONSUL_CAPATH",
    "CONSUL_CLIENT_CERT",
    "CONSUL_CLIENT_KEY",
    "CONSUL_TLS_SERVER_NAME",
    "CONSUL_HTTP_AUTH",
    "CONSUL_NAMESPACE",
    "CONSUL_PARTITION"
  ])("%s is refused by its name, with what to do, and without its value", (name) =>
    Effect.gen(function* () {
      for (const address of [http, https]) {
        const { _tag, message } = yield* failureOf(validate(address, { [name]: "hunter2" }))
        expect(_tag).toBe("WrongUse")
        expect(message).toMatch(new RegExp(`^${name}: not supported yet; unset it[^\n]+$`))
        expect(message).not.toContain("hunter2")
        yield* validate(address, { [name]: "" })
      }
    })
  )

  it.effect.each([
    [
      http,
      "CONSUL_HTTP_SSL",
      "true",
      'CONSUL_HTTP_SSL "true": asks for TLS, .*; give -addr=https://host:port'
    ],
    ["http://127.0.0.1", "CONSUL_HTTP_SSL", "1", 'CONSUL_HTTP_SSL "1": asks for TLS'],
    [http, "CONSUL_HTTP_SSL", "maybe", 'CONSUL_HTTP_SSL "maybe": neither true nor false'],
    [
      https,
      "CONSUL_HTTP_SSL_VERIFY",
      "false",
      'CONSUL_HTTP_SSL_VERIFY "false": certificates are always verified'
    ],
    [https, "CONSUL_HTTP_SSL_VERIFY", "no", 'CONSUL_HTTP_SSL_VERIFY "no": neither true nor false']
  ] as const)("with the address %s, %s=%s is refused", ([address, name, value, message]) =>
    Effect.gen(function* () {
      expect((yield* failureOf(validate(address, { [name]: value }))).message).toMatch(
        new RegExp(`^${message}`)
      )
    })
  )

  it.effect.each([
    [http, "CONSUL_HTTP_SSL", "false"],
    [https, "CONSUL_HTTP_SSL", "true"],
    [https, "CONSUL_HTTP_SSL", "0"],
    [http, "CONSUL_HTTP_SSL_VERIFY", "false"],
    [https, "CONSUL_HTTP_SSL_VERIFY", "true"]
  ] as const)("with the address %s, %s=%s changes nothing", ([address, name, value]) =>
    validate(address, { [name]: value })
  )
})

describe("the token", () => {
  it.scoped("is that of the file before the variables, and that of CONSUL_HTTP_TOKEN before 0.4.0's", () =>
    Effect.gen(function* () {
      const all = {
        CONSUL_HTTP_TOKEN_FILE: yield* file("f"),
        CONSUL_HTTP_TOKEN: "h",
        CONSUL_TOKEN: "t"
      }
      const { CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_TOKEN } = all
      expect(yield* tokenOf(all)).toBe("f")
      expect(yield* tokenOf({ CONSUL_HTTP_TOKEN, CONSUL_TOKEN })).toBe("h")
      expect(yield* tokenOf({ CONSUL_TOKEN })).toBe("t")
      expect(yield* tokenOf({ CONSUL_HTTP_TOKEN: "", CONSUL_TOKEN })).toBe("t")
      expect(yield* tokenOf({ CONSUL_HTTP_TOKEN_FILE })).toBe("f")
      expect(yield* tokenOf({})).toBe(null)
    })
  )

  it.scoped("is used without the spaces and newlines around it, from a variable and from a file", () =>
    Effect.gen(function* () {
      expect(yield* tokenOf({ CONSUL_HTTP_TOKEN: "abc\n" })).toBe("abc")
      expect(yield* tokenOf({ CONSUL_HTTP_TOKEN_FILE: yield* file("  abc \r\n\n") })).toBe("abc")
    })
  )

  it.scoped("of a file that is empty is another one, and the lack of any is refused", () =>
    Effect.gen(function* () {
      const path = yield* file("\n")
      expect(yield* tokenOf({ CONSUL_HTTP_TOKEN_FILE: path, CONSUL_HTTP_TOKEN: "h" })).toBe("h")
      const { message } = yield* failureOf(tokenOf({ CONSUL_HTTP_TOKEN_FILE: path }))
      expect(message).toBe(`CONSUL_HTTP_TOKEN_FILE ${JSON.stringify(path)}: the file holds no token`)
    })
  )

  it.effect("of a file that cannot be read is refused, whatever else there is", () =>
    Effect.gen(function* () {
      const { message } = yield* failureOf(
        tokenOf({ CONSUL_HTTP_TOKEN_FILE: "/nowhere/token", CONSUL_HTTP_TOKEN: "h" })
      )
      expect(message).toBe(
        'CONSUL_HTTP_TOKEN_FILE "/nowhere/token": the file cannot be read: it is not there'
      )
    })
  )

  it.scoped("that no header carries is refused, and in no message", () =>
    Effect.gen(function* () {
      for (const token of ["5ecret\nx", "5ecret\x00", "5ecret\x7f", "5ecretä", "5ecret\u{1f642}"]) {
        for (const variables of [
          { CONSUL_HTTP_TOKEN: token },
          { CONSUL_TOKEN: token },
          { CONSUL_HTTP_TOKEN_FILE: yield* file(token) }
        ]) {
          const error = yield* failureOf(tokenOf(variables))
          expect(error.message).toMatch(/^CONSUL_\w+: the token has a character that no header carries/)
          expect(JSON.stringify(error)).not.toContain("5ecret")
        }
      }
    })
  )

  it.effect("of two variables that differ is warned of, without either", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      const variables = { CONSUL_HTTP_TOKEN: "5ecret-h", CONSUL_TOKEN: "5ecret-t" }
      expect(yield* logs.capture(tokenOf(variables))).toBe("5ecret-h")
      expect(logs.lines).toEqual([
        "WARN the token of CONSUL_HTTP_TOKEN is used; CONSUL_TOKEN holds another one"
      ])
    })
  )
})
