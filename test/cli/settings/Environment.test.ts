import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Agents from "../../../src/cli/commands/replicate/Agents.js"
import { present } from "../../../src/internal/consul/HttpRequest.js"
import * as Logs from "../../../src/testing/Logs.js"
import { failureOf } from "../../support/Failure.js"
import { load, type Variables, within } from "./Loading.js"

const agents = (variables: Variables, args: ReadonlyArray<string> = []) =>
  Effect.flatMap(load(["-src=nyc1", ...args], variables), (settings) =>
    Effect.flatMap(Agents.resolver, (resolve) =>
      resolve({ destination: settings.destination, sources: [settings.source] })
    )
  ).pipe(within(variables), Effect.provide(NodeContext.layer))

const tokenOf = (variables: Variables, args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const { destination } = yield* agents(variables, args)
    const token = yield* present(destination.token)
    return token === undefined ? null : Redacted.value(token)
  })

const file = (text: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const path = yield* files.makeTempFileScoped()
    yield* files.writeFileString(path, text)
    return path
  }).pipe(Effect.provide(NodeContext.layer))

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
      expect(message).toBe(
        `CONSUL_HTTP_TOKEN_FILE ${JSON.stringify(path)}: the file has no token; write the token alone into it`
      )
    })
  )

  it.scoped("of a file that cannot be read is refused, whatever else there is", () =>
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

  it.scoped("of two variables that differ is warned of, without either", () =>
    Effect.gen(function* () {
      const logs = Logs.make()
      const variables = { CONSUL_HTTP_TOKEN: "5ecret-h", CONSUL_TOKEN: "5ecret-t" }
      expect(yield* logs.capture(tokenOf(variables))).toBe("5ecret-h")
      expect(logs.lines).toEqual([
        "WARN the token of CONSUL_HTTP_TOKEN is used; CONSUL_TOKEN holds another one"
      ])
    })
  )

  it.scoped(
    "of the command line counts before that of the environment, with a warning that others can see it",
    () =>
      Effect.gen(function* () {
        const logs = Logs.make()
        const variables = { CONSUL_HTTP_TOKEN_FILE: yield* file("f"), CONSUL_HTTP_TOKEN: "h" }
        expect(yield* logs.capture(tokenOf(variables, ["-consul-token=5ecret"]))).toBe("5ecret")
        expect(logs.lines).toEqual([
          expect.stringMatching(
            /^WARN -consul-token: every user of this machine sees it in the list of processes/
          )
        ])
        expect(yield* tokenOf(variables, ["-token-file", yield* file("typed")])).toBe("typed")
        expect(yield* tokenOf({ ...variables, CONSUL_REPLICATE_TOKEN: "own" })).toBe("own")
      })
  )
})

describe("the environment of the consul command", () => {
  it.scoped("says how the destination is asked, and CONSUL_HTTP_SSL how both are", () =>
    Effect.gen(function* () {
      const {
        destination,
        sources: [source = {}]
      } = yield* agents(
        {
          CONSUL_HTTP_ADDR: "127.0.0.1:8501",
          CONSUL_HTTP_SSL: "true",
          CONSUL_NAMESPACE: "team",
          CONSUL_HTTP_TOKEN: "here",
          CONSUL_REPLICATE_SRC_ADDR: "127.0.0.2:8501",
          CONSUL_REPLICATE_SRC_PARTITION: "part",
          CONSUL_REPLICATE_SRC_TOKEN: "there"
        },
        []
      )
      expect(destination).toMatchObject({ address: "https://127.0.0.1:8501", namespace: "team" })
      expect(source).toMatchObject({ address: "https://127.0.0.2:8501", partition: "part" })
      expect(source.namespace).toBe(undefined)
      const token = yield* present(source.token)
      expect(token === undefined ? null : Redacted.value(token)).toBe("there")
    })
  )

  it.scoped("is switched off by a file or the command line", () =>
    Effect.gen(function* () {
      const off = { CONSUL_HTTP_SSL: "true", CONSUL_HTTP_AUTH: "u:p", CONSUL_REPLICATE_AUTH_ENABLED: "false" }
      const { destination } = yield* agents(off, ["-consul-ssl=false"])
      expect(destination).toMatchObject({ address: "http://127.0.0.1:8500" })
      expect(destination.auth).toBe(undefined)
    })
  )
})

describe("variables of this program", () => {
  it.effect(
    "give each setting; the command line counts before them, and they count before the variables of other programs",
    () =>
      Effect.gen(function* () {
        const variables = {
          CONSUL_REPLICATE_SRC: "z",
          CONSUL_REPLICATE_PREFIX: "a@x,b@y:c,d",
          CONSUL_REPLICATE_LOCK: "l",
          CONSUL_REPLICATE_ONCE: "true",
          CONSUL_REPLICATE_ADDR: "own",
          CONSUL_HTTP_ADDR: "other",
          CR_LOG: " debug ",
          CONSUL_REPLICATE_LOG: "err"
        }
        const settings = yield* load(["-lock=typed"], variables)
        expect(settings).toMatchObject({
          lock: "typed",
          once: true,
          logLevel: { label: "DEBUG" },
          destination: { address: { text: "own" } },
          replications: [
            { datacenter: "x", prefix: "a", destinationPrefix: "a" },
            { datacenter: "y", prefix: "b", destinationPrefix: "c" },
            { datacenter: "z", prefix: "d", destinationPrefix: "d" }
          ]
        })
      })
  )

  it.effect("are named where they are wrong", () =>
    Effect.gen(function* () {
      const { message } = yield* failureOf(load(["-src=x"], { CONSUL_REPLICATE_RECONCILE: "5x" }))
      expect(message).toBe('CONSUL_REPLICATE_RECONCILE "5x": not a duration; write it as 250ms, 60s or 1m30s')
    })
  )
})

describe("a variable that no option reads", () => {
  it.effect("is warned of with the one that was meant, and without its value", () =>
    Effect.gen(function* () {
      const { warnings } = yield* load(["-src=nyc1"], {
        CONSUL_REPLICATE_LOKC: "5ecret",
        CONSUL_REPLICATE_SRC_TOKN: "5ecret",
        CONSUL_REPLICATE_FLAVOUR: "5ecret",
        CONSUL_REPLICATE_LOCK: "l",
        CONSUL_REPLICATE_LOG: "warn"
      })
      expect(warnings).toEqual([
        "CONSUL_REPLICATE_FLAVOUR: is the variable of no option; -help lists them",
        "CONSUL_REPLICATE_LOKC: is the variable of no option; did you mean CONSUL_REPLICATE_LOCK?",
        "CONSUL_REPLICATE_SRC_TOKN: is the variable of no option; did you mean CONSUL_REPLICATE_SRC_TOKEN?"
      ])
    })
  )

  it.effect(
    "is not warned of if Kubernetes sets it for a service of the program's name, or if it has another name",
    () =>
      Effect.gen(function* () {
        const { warnings } = yield* load(["-src=nyc1"], {
          CONSUL_REPLICATE_SERVICE_HOST: "10.0.0.1",
          CONSUL_REPLICATE_SERVICE_PORT: "80",
          CONSUL_REPLICATE_SERVICE_PORT_HTTP: "80",
          CONSUL_REPLICATE_PORT: "tcp://10.0.0.1:80",
          CONSUL_REPLICATE_PORT_80_TCP_ADDR: "10.0.0.1",
          CONSUL_HTTP_ADR: "x"
        })
        expect(warnings).toEqual([])
      })
  )
})
