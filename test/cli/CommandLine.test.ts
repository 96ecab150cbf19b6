import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { run } from "../../src/cli/CommandLine.js"
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
    [["-src"], "-src: needs a value; write -src=DATACENTER"],
    [["-src="], "-src: name the datacenter to replicate from"],
    [["-src=nyc1", "-nonsense"], "unknown option -nonsense; -help lists the options"],
    [["-src=nyc1", "--nonsense=5"], "unknown option -nonsense; -help lists the options"],
    [["-src=nyc1", "-prefx=global/"], "unknown option -prefx; did you mean -prefix?"],
    [["-src=nyc1", "-dst_prefix", "x"], "unknown option -dst_prefix; did you mean -dst-prefix?"],
    [["-src=nyc1", "-SRC=nyc1"], "unknown option -SRC; did you mean -src?"],
    [
      ["-src=nyc1", "extra"],
      'unexpected argument "extra"; the commands are completions, demo, dev, help and version'
    ],
    [["status"], 'unexpected argument "status"; the commands are completions, demo, dev, help and version'],
    [["completions"], "completions: needs the name of a shell; write bash, fish or zsh"],
    [["completions", "cmd"], 'completions "cmd": needs the name of a shell; write bash, fish or zsh'],
    [["demmo"], 'unexpected argument "demmo"; did you mean consul-replicate demo?'],
    [
      ["help", "status"],
      'unexpected argument "status"; the commands are completions, demo, dev, help and version'
    ],
    [
      ["-src=nyc1", "-exclude="],
      '-exclude "": an empty exclude would exclude every key; write the front of a source key'
    ],
    [
      ["-src=nyc1", "-exclude", "global/a", "-exclude", ""],
      '-exclude "": an empty exclude would exclude every key; write the front of a source key'
    ],
    [["-src=nyc1", "-session-ttl=9s"], "-session-ttl: a session lives from 10s to 24h"],
    [["-src=nyc1", "-once=maybe"], '-once "maybe": neither true nor false; write one of them'],
    [["-once=a=b", "-src=nyc1"], '-once "a=b": neither true nor false; write one of them'],
    [["-src=nyc1", "--no-delete="], '-no-delete "": neither true nor false; write one of them'],
    [["-src=nyc1", "-reconcile=5x"], '-reconcile "5x": not a duration; write it as 250ms, 60s or 1m30s'],
    [["-src=nyc1", "-watch-shards=x\ny"], '-watch-shards "x\\ny": not a number; write one such as 16'],
    [
      ["-src=nyc1", "-max-deletes=101%"],
      '-max-deletes "101%": not a limit; write a share from 0% to 100%, such as 50%, or a number of keys such as 200'
    ],
    [
      ["-src=nyc1", "-log-level=loud"],
      '-log-level "loud": not a level; write trace, debug, info, warning or error'
    ],
    [["dev", "-dc=a"], '-dc "a": not a name and a port; write it as in dc1=8500'],
    [["dev", "-dc=a=1", "-dc=A=2"], "-dc: the datacenter a is given twice; give each name once"],
    [["dev", "-bind="], '-bind "": needs an address, such as 127.0.0.1'],
    [["-src=ny c1"], '-src: "ny c1" cannot be the name of a datacenter'],
    [
      ["-prefix=global@nyc1", "-src=x"],
      '-src "x": no prefix is read from there: -prefix names nyc1; drop one of them, or give a prefix that itself holds "@" in a file'
    ],
    [
      ["-src=nyc1", "-prefix=a@b@nyc1"],
      '-prefix "a@b@nyc1": has "@" twice; a prefix that itself holds "@" or ":" is given in a file, as in ' +
        'prefix { source = "a@b@nyc1" datacenter = "…" }'
    ],
    [
      ["-prefix=@nyc1"],
      '-prefix "@nyc1": names no keys before the "@"; for the whole store write -src=nyc1 -prefix='
    ],
    [
      ["-prefix=global:copy@nyc1"],
      '-prefix "global:copy@nyc1": the datacenter stands behind the source; write "global@nyc1:copy", or give it in a file'
    ],
    [["-prefix=global"], "-src: name the datacenter to replicate from"],
    [["-prefix=a@x", "-prefix=b"], "-src: name the datacenter to replicate from"],
    [
      ["-src=nyc1", "-prefix=a:b", "-dst-prefix=c"],
      '-dst-prefix: the prefix names a destination of its own, "b"; write one of them'
    ],
    [
      ["-src=nyc1", "-prefix=a", "-prefix=b", "-dst-prefix=c"],
      '-dst-prefix: belongs to one prefix, and there are 2; write each as "source@datacenter:destination"'
    ],
    [
      ["-src=nyc1", "-prefix=a", "-prefix=b", "-status=s"],
      "-status: belongs to one prefix, and there are 2; name a folder by -status-dir"
    ],
    [
      ["-src=nyc1", "-status=s", "-status-dir=d"],
      "-status: and -status-dir are both given; write one of them"
    ],
    [
      ["-src=nyc1", "-wait=2s:1s"],
      '-wait "2s:1s": the longest wait is shorter than the shortest; write min:max, such as 5s:10s'
    ],
    [
      ["-src=nyc1", "-wait=1s:2s:3s"],
      '-wait "1s:2s:3s": not a wait; write it as min or min:max, such as 5s or 5s:10s'
    ],
    [
      ["-src=nyc1", "-kill-signal=SIGKILL"],
      '-kill-signal "SIGKILL": no program can listen for it; write SIGINT, SIGTERM or SIGUSR1'
    ],
    [
      ["-src=nyc1", "-kill-signal=sighup"],
      '-kill-signal "SIGHUP": is also the signal of -reload-signal; choose another one for one of them'
    ],
    [["-src=nyc1", "-consul-token"], "-consul-token: needs a value; write -consul-token=TOKEN"],
    [
      ["-dst=x"],
      'unknown option -dst; write the destination behind the prefix: -prefix="source@datacenter:destination"'
    ],
    [["-consul-ssl-ca-crt=x"], "unknown option -consul-ssl-ca-crt; did you mean -consul-ssl-ca-cert?"],
    [
      ["-src=nyc1", "-config=/nowhere"],
      '-config "/nowhere": the configuration cannot be read: it is not there'
    ],
    [
      ["-src=nyc1", "-prefix=bob@nyc1/", "-lock="],
      '-lock "": the lock needs a key; write one such as service/consul-replicate/leader'
    ],
    [
      ["-src=nyc1", "-prefix=bob@example.com", "-lock="],
      '-lock "": the lock needs a key; write one such as service/consul-replicate/leader'
    ],
    [
      ["-src=nyc1", "-prefix=bob@", "-lock="],
      '-lock "": the lock needs a key; write one such as service/consul-replicate/leader'
    ],
    [
      ["-src=nyc1", "-lock="],
      '-lock "": the lock needs a key; write one such as service/consul-replicate/leader'
    ],
    [
      ["-src=nyc1", "-status", ""],
      '-status "": the status needs a key; write one such as service/consul-replicate/status'
    ],
    [["-src=nyc1", "-service="], '-service "": the service needs a name; write one such as consul-replicate'],
    [["-src=nyc1", "-addr="], '-addr "": the agent needs an address, such as 127.0.0.1:8500']
  ] as const)("%j is refused: %s", ([args, message]) =>
    Effect.gen(function* () {
      const error = yield* refusal(args)
      expect(error.message).toBe(message)
      expect(error._tag).toBe("WrongUse")
    })
  )

  it.effect.each([["--completions", "bash"], ["--wizard"], ["--log-level=all"], ["--completions=sh"]])(
    "what @effect/cli has built in beside help and version is no option here: %s",
    (...args) =>
      Effect.gen(function* () {
        const error = yield* refusal(["-src=nyc1", "-addr=", ...args.flat()])
        expect(error._tag).toBe("WrongUse")
        expect(error.message).not.toContain("\n")
      })
  )

  it.effect("the address of the environment is read where none is given, and named where it is wrong", () =>
    Effect.gen(function* () {
      const environment = { CONSUL_HTTP_ADDR: "ftp://127.0.0.1" }
      expect((yield* refusal(["-src=nyc1"], environment)).message).toMatch(
        /^CONSUL_HTTP_ADDR "ftp:\/\/127.0.0.1": only/
      )
      expect((yield* refusal(["-src=nyc1", "-addr=gopher://x"], environment)).message).toMatch(
        /^-addr "gopher:\/\/x": only/
      )
    })
  )

  it.effect("the token is in no message", () =>
    Effect.gen(function* () {
      const error = yield* refusal(["-src=nyc1", "-addr=gopher://x"], { CONSUL_HTTP_TOKEN: "5ecret" })
      expect(JSON.stringify(error)).not.toContain("5ecret")
    })
  )
})
