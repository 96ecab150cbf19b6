import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { run } from "../../src/cli/run.js"
import { failureOf } from "../support/Failure.js"

/** What is refused is refused before anything is sent: these would wait for an agent otherwise. */
const refusal = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
  failureOf(run(args)).pipe(
    Effect.provide(NodeContext.layer),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
  )

describe("run", () => {
  it.effect.each([
    [[], "-src: name the datacenter to replicate from"],
    [["-src"], "option -src needs a value; -help lists the options"],
    [["-src=nyc1", "-nonsense"], "unknown option -nonsense; -help lists the options"],
    [["-src=nyc1", "--nonsense=5"], "unknown option -nonsense; -help lists the options"],
    [["-src=nyc1", "extra"], 'unexpected argument "extra"; -help lists the options'],
    [["-src=nyc1", "-SRC=nyc1"], "unknown option -SRC; -help lists the options"],
    [["-src=nyc1", "-src=ams2"], "option -src is given twice; -help lists the options"],
    [["-src=nyc1", "-once", "-once"], "option -once is given twice; -help lists the options"],
    [["-src=nyc1", "-once=maybe"], 'option -once is true or false, not "maybe"; -help lists the options'],
    [["-once=a=b", "-src=nyc1"], 'option -once is true or false, not "a=b"; -help lists the options'],
    [["-src=nyc1", "--no-delete="], 'option -no-delete is true or false, not ""; -help lists the options'],
    [["-src=ny c1"], '-src: "ny c1" cannot be the name of a datacenter'],
    [
      ["-prefix=global@nyc1"],
      '-prefix: "global@nyc1" looks like a prefix and a datacenter; write -src=nyc1 -prefix="global", or end it with a ' +
        "slash where keys begin so"
    ],
    [
      ["-src=nyc1", "-prefix", "global/a@nyc1:copy/a"],
      '-prefix: "global/a@nyc1:copy/a" looks like a prefix and a datacenter; write -src=nyc1 -prefix="global/a" ' +
        '-dst-prefix="copy/a", or end it with a slash where keys begin so'
    ],
    [["-src=nyc1", "-prefix=bob@nyc1/", "-lock="], "-lock: the lock needs a key"],
    [["-src=nyc1", "-prefix=bob@example.com", "-lock="], "-lock: the lock needs a key"],
    [["-src=nyc1", "-prefix=bob@", "-lock="], "-lock: the lock needs a key"],
    [["-src=nyc1", "-lock="], "-lock: the lock needs a key"],
    [["-src=nyc1", "-status", ""], "-status: the status needs a key"],
    [["-src=nyc1", "-service="], "-service: the service needs a name"],
    [["-src=nyc1", "-addr="], "-addr: the agent needs an address, such as 127.0.0.1:8500"]
  ] as const)("%j is refused: %s", ([args, message]) =>
    Effect.gen(function* () {
      const error = yield* refusal(args)
      expect(error.message).toBe(message)
      expect(["WrongUse", "InvalidReplication"]).toContain(error._tag)
    })
  )

  it.effect("levels are named where one is misspelt", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal(["-src=nyc1", "-log-level=loud"])
      expect(message).toContain('option -log-level is debug, info, warning, error, not "loud"')
      expect(message).not.toContain("\n")
    })
  )

  it.effect.each([["--completions", "bash"], ["--wizard"], ["--log-level=all"], ["--completions=sh"]])(
    "what @effect/cli has built in beside help and version is no option here: %s",
    (...args) =>
      Effect.gen(function* () {
        const error = yield* refusal(["-src=nyc1", "-addr=", ...args.flat()])
        expect(["WrongUse", "InvalidReplication"]).toContain(error._tag)
        expect(error.message).not.toContain("\n")
      })
  )

  it.effect("the address of the environment is read where none is given", () =>
    Effect.gen(function* () {
      const environment = { CONSUL_HTTP_ADDR: "ftp://127.0.0.1" }
      expect((yield* refusal(["-src=nyc1"], environment)).message).toContain("ftp:// is not supported")
      expect((yield* refusal(["-src=nyc1", "-addr=gopher://x"], environment)).message).toContain(
        "gopher:// is not supported"
      )
    })
  )

  it.effect("the token is in no message", () =>
    Effect.gen(function* () {
      const error = yield* refusal(["-src=nyc1", "-addr=x/y"], { CONSUL_HTTP_TOKEN: "5ecret" })
      expect(JSON.stringify(error)).not.toContain("5ecret")
    })
  )
})
