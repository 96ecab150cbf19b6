import { readFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { dirname } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import manifest from "../../package.json" with { type: "json" }
import { version } from "../../src/Version.js"
import { serve } from "./HttpServer.js"
import * as Program from "./Program.js"

const run = (...args: ReadonlyArray<string>) => Effect.provide(Program.run(args), NodeContext.layer)

describe("the command line", () => {
  for (const help of ["-h", "-help", "--help"]) {
    it.effect(`${help} prints the options with their defaults in 80 columns`, () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run("-src=nyc1", help)
        expect([code, stderr]).toEqual([0, ""])
        expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80)
        for (const option of ["-addr", "-dst-prefix", "-lock", "-prefix", "-service", "-src", "-status"]) {
          expect(stdout).toMatch(new RegExp(`^ +${option} `, "m"))
        }
        for (const title of ["Examples:", "Environment:", "Signals:", "Exit codes:"])
          expect(stdout).toContain(title)
        for (const fallback of ["127.0.0.1:8500", "global/", "service/consul-replicate/leader"]) {
          expect(stdout).toContain(fallback)
        }
      })
    )
  }

  for (const args of [["-version"], ["--version"], ["-v"], ["version"]]) {
    it.effect(
      `${args.join(" ")} prints the version of the package, the commit if there is one, and Node's`,
      () =>
        Effect.gen(function* () {
          expect(version).toBe(manifest.version)
          const { code, stderr, stdout } = yield* run(...args)
          expect([code, stderr]).toEqual([0, ""])
          expect(stdout).toMatch(/^consul-replicate \S+(, commit [0-9a-f]{7,40}(-dirty)?)?, Node\.js \S+\n$/)
          expect(stdout).toContain(`consul-replicate ${version}, `)
          expect(stdout).toContain(`Node.js ${process.versions.node}`)
        })
    )
  }

  it.effect("help prints the help of the program, and of the command that it is asked for", () =>
    Effect.gen(function* () {
      for (const [args, usage] of [
        [["help"], "consul-replicate -src=DATACENTER"],
        [["help", "dev"], "consul-replicate dev"],
        [["help", "demo"], "consul-replicate demo"]
      ] as const) {
        const { code, stdout } = yield* run(...args)
        expect(code).toBe(0)
        expect(stdout).toContain(`Usage: ${usage}`)
      }
    })
  )

  // No agent listens on the port: if a command line were accepted, the program would wait for its agent.
  const valid = ["-src=nyc1", "-addr=127.0.0.1:1"]
  for (const [args, named] of [
    [["-addr=127.0.0.1:1"], "-src"],
    [["-src="], "-src"],
    [["-src"], "-src"],
    [["-src=ny/c1"], "-src"],
    [[...valid, "-frobnicate"], "-frobnicate"],
    [[...valid, "--frobnicate=1"], "-frobnicate"],
    [[...valid, "extra"], "extra"],
    [["-src=nyc1", "-addr="], "-addr"],
    [["-src=nyc1", "-addr", "not an address"], "-addr"],
    [["-src=nyc1", "-addr=127.0.0.1:99999"], "-addr"],
    [["-src=nyc1", "-addr=ftp://127.0.0.1"], "-addr"],
    [["-addr=127.0.0.1:1", "-src=x", "-prefix=global@nyc1"], "-src"],
    [[...valid, "-prefix=a", "-prefix=ab"], "-prefix"],
    [[...valid, "-config=/nowhere/a.hcl"], "-config"],
    [[...valid, "-lock="], "-lock"],
    [[...valid, "-lock", ""], "-lock"],
    [[...valid, "--status="], "-status"],
    [[...valid, "-lock=a", "-status=a"], "-status"],
    [[...valid, "-service="], "-service"],
    [[...valid, "-log-level=loud"], "-log-level"],
    [[...valid, "-max-deletes="], "-max-deletes"],
    [[...valid, "-max-deletes=most"], "-max-deletes"],
    [[...valid, "-max-deletes=-1"], "-max-deletes"],
    [[...valid, "-max-deletes", "1.5"], "-max-deletes"],
    [[...valid, "-max-deletes", "101%"], "-max-deletes"],
    [[...valid, "-reconcile="], "-reconcile"],
    [[...valid, "-reconcile=60"], "-reconcile"],
    [[...valid, "-reconcile=-1s"], "-reconcile"],
    [[...valid, "-reconcile=1ms"], "-reconcile"],
    [[...valid, "-reconcile=\u202e5\u200b"], '-reconcile "\\u202e5\\u200b"'],
    [[...valid, "-timeout=soon"], "-timeout"],
    [[...valid, "-once=perhaps"], "-once"],
    [[...valid, "-no-delete=perhaps"], "-no-delete"]
  ] as const) {
    it.effect(
      `${args.map((arg) => JSON.stringify(arg)).join(" ")} is refused by a line that names ${named}`,
      () =>
        Effect.gen(function* () {
          const { code, stderr, stdout } = yield* run(...args)
          expect([code, stdout]).toEqual([2, ""])
          expect(stderr).toMatch(/^consul-replicate: [^\n]+\n$/)
          expect(stderr).toContain(named)
        })
    )
  }

  for (const [name, value] of [
    ["CONSUL_HTTP_SSL", "maybe"],
    ["CONSUL_CACERT", "/nowhere/ca.pem"],
    ["CONSUL_HTTP_TOKEN", "5ecret\nx"],
    ["CONSUL_HTTP_TOKEN_FILE", "/nowhere/token"],
    ["CONSUL_HTTP_ADDR", "ftp://127.0.0.1"]
  ] as const) {
    it.scoped(`${name}=${JSON.stringify(value)} is refused by a line that begins with it`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start(["-src=nyc1"], { [name]: value })
        expect(yield* program.exit).toEqual(Option.some(2))
        const log = yield* program.log
        expect(log).toHaveLength(1)
        expect(log[0]).toMatch(new RegExp(`^consul-replicate: ${name}[ :]`))
        expect(log[0]).not.toContain("5ecret")
      }).pipe(Effect.provide(NodeContext.layer))
    )
  }

  it.scoped("the token of CONSUL_TOKEN, as in 0.4.0, and of CONSUL_HTTP_TOKEN_FILE goes to the agent", () =>
    Effect.gen(function* () {
      const path = yield* (yield* FileSystem.FileSystem).makeTempFileScoped()
      yield* (yield* FileSystem.FileSystem).writeFileString(path, "from-file\n")
      for (const [name, value, token] of [
        ["CONSUL_TOKEN", "as-before", "as-before"],
        ["CONSUL_HTTP_TOKEN_FILE", path, "from-file"]
      ] as const) {
        const seen = yield* Deferred.make<string>()
        const agent = yield* serve((request, response) => {
          Deferred.unsafeDone(seen, Effect.succeed(String(request.headers.authorization)))
          response.writeHead(500).end()
        })
        yield* Program.start(["-src=nyc1", `-addr=${agent}`], { [name]: value })
        expect(yield* Deferred.await(seen)).toBe(`Bearer ${token}`)
      }
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.effect("a password in the address is refused without being repeated", () =>
    Effect.gen(function* () {
      for (const address of ["http://user:hunter2@127.0.0.1:8500", "user:hunter2@127.0.0.1:no"]) {
        const { code, stderr } = yield* run("-src=nyc1", `-addr=${address}`)
        expect(code).toBe(2)
        expect(stderr).not.toContain("hunter2")
      }
    })
  )

  for (const args of [["-help"], ["-version"], ["demo"]]) {
    it.scoped(`${args.join(" ")} ends quietly if its output has no reader`, () =>
      Effect.gen(function* () {
        const program = yield* Program.startRedirected("> >(exec true)", args)
        expect(yield* program.exit).toEqual(Option.some(0))
        expect(yield* program.log).toEqual([])
      }).pipe(Effect.provide(NodeContext.layer))
    )
  }

  it.scoped("without an agent it waits, says so once, and stops at a signal with 0", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(["-src=nyc1", "-addr", "127.0.0.1:1"])
      yield* program.says(/waiting for the agent.*ECONNREFUSED/)
      yield* Program.live(Effect.sleep("1 second"))
      expect((yield* program.log).filter((line) => line.includes("waiting for the agent"))).toHaveLength(1)
      yield* program.signal("SIGINT")
      expect(yield* program.exit).toEqual(Option.some(0))
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("a prefix that begins with a slash is warned of, and used as it is", () =>
    Effect.gen(function* () {
      const program = yield* Program.start([...valid, "-prefix=/global/", "-dst-prefix=//copy/"])
      yield* program.says(/WARN .*-prefix: "\/global\/" begins with a slash.*"global\/"/)
      yield* program.says(/WARN .*-dst-prefix: "\/\/copy\/" begins with a slash.*"copy\/"/)
      yield* program.says(/waiting for the agent/)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped(
    "a destination that is probably a mistake is warned of with the option in which it was given",
    () =>
      Effect.gen(function* () {
        const program = yield* Program.start(["-addr", "127.0.0.1:1", "-prefix=global/@nyc1:copy"])
        yield* program.says(
          /WARN +-prefix: the destination "copy" does not end with a slash, unlike the prefix: /
        )
      }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("with -once a signal that comes before it is done makes it fail, with a line", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(["-src=nyc1", "-addr", "127.0.0.1:1", "-once"])
      yield* program.says(/waiting for the agent/)
      yield* program.signal("SIGTERM")
      expect(yield* program.exit).toEqual(Option.some(1))
      expect((yield* program.log).at(-1)).toBe("consul-replicate: stopped by SIGTERM before it was done")
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.effect("with -once and -timeout it gives up with 1, and says what it waited for", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run("-src=nyc1", "-addr=127.0.0.1:1", "-once", "-timeout=1s")
      expect(code).toBe(1)
      expect(stderr.trim().split("\n").at(-1)).toMatch(
        /^consul-replicate: gave up after 1s \(-timeout\): waiting for the agent: .*ECONNREFUSED/
      )
    })
  )

  it.effect("a stack trace is printed at -log-level=trace alone", () =>
    Effect.gen(function* () {
      const at = (level: string) =>
        Effect.map(
          run("-src=nyc1", "-addr=127.0.0.1:1", "-timeout=1ms", `-log-level=${level}`),
          ({ stderr }) => stderr
        )
      expect(yield* at("Trace")).toMatch(/TRACE stopped by this failure .*\\u000a +at /)
      expect(yield* at("debug")).not.toContain("    at ")
    })
  )

  it.effect("without -once it waits no longer than -timeout either, if that is given", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run("-src=nyc1", "-addr=127.0.0.1:1", "-timeout=1s")
      expect(code).toBe(1)
      expect(stderr.trim().split("\n").at(-1)).toMatch(
        /^consul-replicate: gave up after 1s \(-timeout\): waiting/
      )
    })
  )

  for (const [what, answer, message] of [
    [
      "a web server that is no Consul",
      (response: ServerResponse) => response.writeHead(404, { "content-type": "text/html" }).end("<html>"),
      /^consul-replicate: what answers at \S+ is no Consul agent: it answered 404 with text\/html to GET \S+; check -addr$/
    ],
    [
      "a page for every path",
      (response: ServerResponse) =>
        response.writeHead(200, { "content-type": "text/html; a=b" }).end("<html>"),
      /^consul-replicate: what answers at \S+ is no Consul agent: it answered 200 with text\/html to GET \S+; check -addr$/
    ],
    [
      "a TLS port that says so",
      (response: ServerResponse) =>
        response.writeHead(400).end("Client sent an HTTP request to an HTTPS server.\n"),
      /^consul-replicate: what answers at \S+ speaks TLS; give -addr=https:\/\/127\.0\.0\.1:\d+$/
    ],
    [
      "a TLS port that answers an alert",
      (response: ServerResponse) => response.socket?.end(Buffer.from("15030100020246", "hex")),
      /^consul-replicate: what answers at \S+ speaks no HTTP; if it speaks TLS, give -addr=https:\/\/127/
    ],
    [
      "an agent that knows other datacenters",
      (response: ServerResponse) => response.writeHead(200).end('["sfo1","ams2"]'),
      /^consul-replicate: the agent at \S+ knows no datacenter "nyc1"; it knows sfo1, ams2$/
    ],
    [
      "an agent that wants a token",
      (response: ServerResponse, path: string) =>
        path.startsWith("/v1/catalog")
          ? response.writeHead(200).end('["nyc1"]')
          : response.writeHead(403).end("Permission denied"),
      /^consul-replicate: the agent at \S+ denies access, and there is no token; give one by CONSUL_HTTP_TOKEN/
    ]
  ] as const) {
    it.scoped(`with -once, ${what} ends it at once with 1, though it may wait for ever`, () =>
      Effect.gen(function* () {
        const address = yield* serve((request, response) => answer(response, request.url ?? ""))
        const { code, stderr } = yield* Program.run(["-src=NYC1", `-addr=${address}`, "-once", "-timeout=0"])
        expect(code).toBe(1)
        expect(stderr.trim().split("\n").at(-1)).toMatch(message)
      }).pipe(Effect.provide(NodeContext.layer))
    )
  }

  it.scoped("with -once, https:// to a server without TLS ends it at once with 1", () =>
    Effect.gen(function* () {
      const address = yield* serve((_, response) => response.end("[]"))
      const { code, stderr } = yield* Program.run([
        "-src=nyc1",
        `-addr=${address.replace("http:", "https:")}`,
        "-once",
        "-timeout=0"
      ])
      expect(code).toBe(1)
      expect(stderr).toContain(
        `consul-replicate: what answers at ${address.replace("http:", "https:")} speaks no TLS`
      )
      expect(stderr.trim().endsWith(`give -addr=${address}`)).toBe(true)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("with -once, an agent that is not ready yet is asked again", () =>
    Effect.gen(function* () {
      let asked = 0
      const address = yield* serve((request, response) => {
        if (request.url !== "/v1/catalog/datacenters") response.writeHead(500).end("No known Consul servers")
        else if (asked++ < 2) response.writeHead(500).end("No known Consul servers")
        else response.end('["sfo1"]')
      })
      const { code, stderr } = yield* Program.run(["-src=nyc1", `-addr=${address}`, "-once", "-timeout=0"])
      expect([code, asked]).toEqual([1, 3])
      expect(stderr).toContain("knows no datacenter")
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("SIGHUP does not stop it while it waits for an agent, nor -once", () =>
    Effect.gen(function* () {
      for (const args of [[], ["-once"]]) {
        const program = yield* Program.start(["-src=nyc1", "-addr=127.0.0.1:1", ...args])
        yield* program.says(/waiting for the agent/)
        yield* program.signal("SIGHUP")
        yield* program.says(
          /SIGHUP: (?:settings are read again when the agent|nothing is reloaded with -once)/
        )
        yield* program.signal("SIGTERM")
        yield* program.exit
        expect((yield* program.log).at(-1)).toContain("SIGTERM")
      }
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("SIGHUP ends dev, as its terminal has closed", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(["dev", "-dc=dc1=0"])
      yield* program.prints(/^dc1 http/)
      yield* program.signal("SIGHUP")
      expect(yield* program.exit).toEqual(Option.some(0))
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it("the licences of what the program bundles are beside it, each package with its text", () => {
    const text = readFileSync(`${dirname(Program.path)}/THIRD-PARTY-LICENSES`, "utf8")
    const parts = text.split(`\n\n${"-".repeat(80)}\n\n`).slice(1)
    const titles = parts.map((part) => part.split("\n")[0])
    for (const name of ["@effect/cli", "@effect/platform-node", "effect", "undici"]) {
      expect(titles).toContainEqual(expect.stringMatching(new RegExp(`^${name} [\\d.]+ \\(MIT\\)$`)))
    }
    for (const part of parts) expect(part).toMatch(/copyright/i)
  })
})
