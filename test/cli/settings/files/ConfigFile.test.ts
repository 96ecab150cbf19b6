import { readFileSync } from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { makeReplications } from "../../../../src/cli/commands/Replicate.js"
import * as Agents from "../../../../src/cli/commands/replicate/Agents.js"
import { failureOf } from "../../../support/Failure.js"
import { folder, load, loadFile } from "../Loading.js"

/** As the command does, up to what the library refuses. */
const refusing = (args: ReadonlyArray<string>) => Effect.flatMap(load(args), makeReplications)

const link = (target: string, path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.symlink(target, path)).pipe(
    Effect.provide(NodeContext.layer)
  )

const routes = (settings: Effect.Effect.Success<ReturnType<typeof load>>) =>
  settings.replications.map(
    ({ datacenter, destinationPrefix, prefix }) => `${prefix}@${datacenter}:${destinationPrefix}`
  )

/** Every key of 0.4.0, in the way in which its documentation writes them. */
const everything = readFileSync(new URL("everything.hcl", import.meta.url), "utf8")

describe("a configuration file", () => {
  it.scoped("with every key of 0.4.0 gives every setting", () =>
    Effect.gen(function* () {
      const settings = yield* loadFile(everything)
      expect(routes(settings)).toEqual(["global@nyc1:default"])
      expect(settings).toMatchObject({
        destination: {
          address: { text: "127.0.0.1:8500" },
          token: { text: "abcd1234" },
          auth: { text: "test:test" },
          ssl: { text: "true" },
          sslVerify: { text: "false" },
          certificateFile: { text: "/path/to/client/cert" },
          keyFile: { text: "/path/to/client/key" },
          caFile: { text: "/path/to/ca" },
          caPath: { text: "path/to/certs/" },
          serverName: { text: "my-server.com" }
        },
        replications: [
          {
            excludes: ["my-key"],
            status: "service/consul-replicate/statuses/90a2d4fcfeb38c1432b3e07c5121b591"
          }
        ],
        patience: { option: "-consul-retry-attempts=12" },
        killSignal: "SIGINT",
        reloadSignal: "SIGHUP",
        logLevel: { label: "WARN" },
        pidFile: { value: "/path/to/pid" },
        syslog: "LOCAL5",
        wait: { min: Duration.nanos(5_000_000_000n), max: Duration.nanos(10_000_000_000n) }
      })
      expect(settings.warnings).toEqual([
        expect.stringMatching(/a\.hcl:\d+: max_stale has no use here: /),
        expect.stringMatching(/a\.hcl:\d+: consul\.transport\.dial_timeout has no use here: /)
      ])
    })
  )

  it.scoped.each([
    ['prefix = "vault/logical@nyc1:copy"', ["vault/logical@nyc1:copy"]],
    ['prefix = "a@x,b@y"', ["a@x:a", "b@y:b"]],
    ['prefix = ["a@x", "b@y:c"]', ["a@x:a", "b@y:c"]],
    ['prefix = "a@x"\nprefix = "b@y"', ["a@x:a", "b@y:b"]],
    [
      'prefix { source = "a" datacenter = "x" } prefix { source = "b" dc = "y" destination = "c" }',
      ["a@x:a", "b@y:c"]
    ],
    ['prefix { source = "a@x" destination = "c" }', ["a@x:c"]],
    ['prefix { source = "/a" datacenter = "x" }', ["a@x:a"]],
    ['prefix = "/a@x"', ["a@x:a"]],
    ['prefix { source = "bob@home:1" datacenter = "x" destination = "a@b:c" }', ["bob@home:1@x:a@b:c"]],
    ['prefix "a@x" { destination = "c" }', ["a@x:c"]],
    ['prefix = [{ source = "a" datacenter = "x" }]', ["a@x:a"]],
    ['{"prefix": {"source": "a", "datacenter": "x"}}', ["a@x:a"]],
    ['{"prefix": [{"source": "a", "datacenter": "x"}, {"source": "b", "dc": "y"}]}', ["a@x:a", "b@y:b"]],
    ['{"prefix": "a@x"}', ["a@x:a"]],
    ['PREFIX = "a@x"', ["a@x:a"]],
    ['src = "x" prefix = "a:c"', ["a@x:c"]],
    ['src = "x" prefix { source = "a:c" }', ["a:c@x:a:c"]],
    ['src = "x" dst_prefix = "c"', ["global/@x:c"]]
  ] as const)("%s names what is replicated", ([text, expected]) =>
    Effect.gen(function* () {
      expect(routes(yield* loadFile(text))).toEqual(expected)
    })
  )

  it.scoped.each([
    ['exclude = "a"', ["a"]],
    ['exclude = "a,b"', ["a", "b"]],
    ['exclude = ["a", "b"]', ["a", "b"]],
    ['exclude { source = "a" } exclude { source = "b" }', ["a", "b"]],
    ['exclude = "a" exclude = "b"', ["a", "b"]],
    ['exclude "a" {}', ["a"]],
    ['{"exclude": [{"source": "a"}]}', ["a"]]
  ] as const)("%s names what is left alone", ([text, expected]) =>
    Effect.gen(function* () {
      const file = text.startsWith("{") ? text.replace("{", '{"src": "x",') : `src = "x" ${text}`
      expect((yield* loadFile(file)).replications).toMatchObject([{ excludes: expected }])
    })
  )

  it.scoped("in the shapes of 0.2 and 0.3 works, with a warning for each", () =>
    Effect.gen(function* () {
      const settings = yield* loadFile(
        `consul = "127.0.0.1:8500"
         token = "abcd1234"
         retry = "10s"
         wait = "5s:10s"
         path = "/somewhere"
         auth { enabled = true username = "u" password = "p" }
         ssl { enabled = true verify = false }
         prefix { source = "global@nyc1" }
         exclude { source = "global/private" }`
      )
      expect(routes(settings)).toEqual(["global@nyc1:global"])
      expect(settings).toMatchObject({
        destination: {
          address: { text: "127.0.0.1:8500" },
          token: { text: "abcd1234" },
          auth: { text: "u:p" },
          ssl: { text: "true" },
          sslVerify: { text: "false" }
        },
        wait: { min: Duration.nanos(5_000_000_000n), max: Duration.nanos(10_000_000_000n) },
        replications: [{ excludes: ["global/private"] }]
      })
      expect(settings.warnings.map((text) => text.replace(/^.*a\.hcl:/, ""))).toEqual([
        '1: consul: "127.0.0.1:8500" is not used, as in 0.4.0; write consul { address = "127.0.0.1:8500" }',
        '2: token: is now inside of consul; write consul { token = "…" }',
        "3: retry: is now inside of consul; write consul { retry { backoff = … max_backoff = … } }",
        "5: path: is no key of a file, and not used; name files by -config",
        "6: auth: is now inside of consul; write consul { auth { … } }",
        "7: ssl: is now inside of consul; write consul { ssl { … } }"
      ])
    })
  )

  it.scoped.each([
    ['src = "x"\nprefx = "a"', "2: prefx: unknown key; did you mean prefix?"],
    ['consul { adress = "a" }', "1: consul.adress: unknown key; did you mean consul.address?"],
    [
      "consul { ssl { frob = 1 } }",
      "1: consul.ssl.frob: unknown key; the keys of consul.ssl are enabled, verify, ca_cert, ca_path, cert, key, server_name"
    ],
    ["log_level = 5", "1: log_level: not a text; put it into quotes"],
    ['log_level = "loud"', '1: log_level "loud": not a level; write trace, debug, info, warning or error'],
    [
      '\nconsul {\n  retry {\n    backoff = "5x"\n  }\n}',
      '4: consul.retry.backoff "5x": not a duration; write it as 250ms, 60s or 1m30s'
    ],
    [
      'consul { retry { attempts = "3" } }',
      "1: consul.retry.attempts: not a number; write it without quotes"
    ],
    [
      'consul { ssl { verify = "yes" } }',
      "1: consul.ssl.verify: neither true nor false; write one of them without quotes"
    ],
    ["consul = 5", "1: consul: not a block; write consul { … }"],
    ['consul "x" { address = "a" }', '1: consul: has no name in quotes; write consul { … } without "x"'],
    ["syslog = true", "1: syslog: not a block; write syslog { … }"],
    [
      'exclude = ""',
      '1: exclude "": an empty exclude would exclude every key; write the front of a source key'
    ],
    ["exclude {}", '1: exclude: has no source, and would exclude every key; write exclude { source = "…" }'],
    ["exclude = 1", '1: exclude: needs a text in quotes or a block; write exclude { source = "…" }'],
    ["prefix {}", '1: prefix: names no keys; write prefix { source = "…" datacenter = "…" }'],
    ['prefix = "a@x,"', '1: prefix "": names no keys; for the whole store write -src and -prefix='],
    [
      'prefix { source = "a" datacentre = "x" }',
      "1: prefix.datacentre: unknown key; did you mean prefix.datacenter?"
    ],
    ['src = "x y"', '1: src: "x y" cannot be the name of a datacenter'],
    [
      'wait { min = "5s" max = "1s" }',
      "1: wait.min: the longest wait is shorter than the shortest; write min:max, such as 5s:10s"
    ],
    [
      'kill_signal = "SIGFOO"',
      '1: kill_signal "SIGFOO": not a signal; write its whole name, such as SIGINT, SIGTERM or SIGHUP'
    ],
    [
      'src = "x"\nconsul = "10.0.0.1:8500"',
      '2: consul "10.0.0.1:8500": is ignored, as by 0.4.0, and 127.0.0.1:8500 is used; write consul { address = "…" } with the right one'
    ],
    ["a = ", "1:5: a value is expected, not the end of the file"],
    ['{"src": "x"', "1:12: a comma or } is expected, not the end of the file"]
  ] as const)("%j is refused with its file and its line: %s", ([text, message]) =>
    Effect.gen(function* () {
      const root = yield* folder({ "a.hcl": text })
      const { message: refusal } = yield* failureOf(refusing([`-config=${root}/a.hcl`]))
      expect(refusal.replace(`${root}/a.hcl:`, "")).toBe(message)
    })
  )

  it.scoped("holds a token that no message and no warning repeats", () =>
    Effect.gen(function* () {
      const settings = yield* loadFile(
        'src = "x" consul { token = "5ecret" auth { username = "u" password = "5ecret" } }'
      )
      expect(JSON.stringify(settings.warnings)).not.toContain("5ecret")
      const wrong = yield* loadFile('src = "x" consul { token = "5ecret\\n\\u00e9" }')
      const error = yield* failureOf(
        Effect.provide(
          Effect.flatMap(Agents.resolver, (resolve) =>
            resolve({ destination: wrong.destination, sources: [wrong.source] })
          ),
          NodeContext.layer
        )
      )
      expect(error.message).toMatch(/a\.hcl:1: consul\.token: the token has a character/)
      expect(JSON.stringify(error)).not.toContain("5ecret")
    })
  )

  it.scoped("with two blocks of a name has the last, as in 0.4.0, and says so", () =>
    Effect.gen(function* () {
      const settings = yield* loadFile(
        'src = "x"\nconsul { address = "a" token = "t" }\nconsul { address = "b" }'
      )
      expect(settings.destination).toMatchObject({ address: { text: "b" }, token: undefined })
      expect(settings.warnings).toEqual([
        expect.stringMatching(
          /a\.hcl:2: consul: the block on line 3 stands for this one, as in 0\.4\.0; write one block$/
        )
      ])
    })
  )
})

describe("several files", () => {
  it.scoped(
    "count in the order of -config, and in a folder in the order of their names, whatever is in it",
    () =>
      Effect.gen(function* () {
        const root = yield* folder({
          "d/b.json": '{"lock": "b", "service": "b", "prefix": "b@x"}',
          "d/a.hcl": 'lock = "a" status_dir = "a" prefix = "a@x"',
          "d/c/z": 'service = "z" prefix = "c@x"',
          "e.hcl": 'lock = "e" prefix = "e@x"'
        })
        const settings = yield* load([
          `-config=${root}/d`,
          `-config=${root}/e.hcl`,
          "-prefix=f@x",
          "-exclude=g"
        ])
        expect(settings).toMatchObject({ lock: "e", service: "z" })
        expect(routes(settings)).toEqual(["a@x:a", "b@x:b", "c@x:c", "e@x:e", "f@x:f"])
        const typed = yield* load([`-config=${root}/d`, "-lock=typed"], {
          CONSUL_REPLICATE_LOCK: "v",
          CONSUL_REPLICATE_SERVICE: "v"
        })
        expect(typed).toMatchObject({ lock: "typed", service: "z" })
      })
  )

  it.scoped(
    "of which one is in a folder by a link count without it; a link that is named itself is followed",
    () =>
      Effect.gen(function* () {
        const root = yield* folder({ "d/a.hcl": 'prefix = "a@x"', "b.hcl": 'prefix = "b@x"' })
        yield* link(`${root}/b.hcl`, `${root}/d/b.hcl`)
        yield* link(root, `${root}/d/loop`)
        yield* link(`${root}/b.hcl`, `${root}/named`)
        expect(routes(yield* load([`-config=${root}/d`]))).toEqual(["a@x:a"])
        expect(routes(yield* load([`-config=${root}/named`]))).toEqual(["b@x:b"])
      })
  )
})
