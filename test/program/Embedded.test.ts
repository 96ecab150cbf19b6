import * as ChildProcess from "node:child_process"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Command from "@effect/platform/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Store from "../support/consul/Store.js"
import * as Program from "./Program.js"

/** The address that a line `nyc1 http://127.0.0.1:8500` of either command tells. */
const addressOf = (program: Program.Program, datacenter: string) =>
  Effect.map(
    program.prints(new RegExp(`^${datacenter} http://`)),
    (line) => /http:\/\/(\S+)/.exec(line)?.[1] ?? ""
  )

const portOf = (address: string) => Number(address.split(":").at(-1))

/** Listens on a port of 127.0.0.1, 0 for a free one; returns the port if it is free. */
const occupy = (port: number) =>
  Effect.acquireRelease(
    Effect.async<Net.Server, Error>((resume) => {
      const server = Net.createServer()
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : port
    })
  )

const connects = (host: string, port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect({ host, port })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

/** Ends it while a client waits in a blocking query, which would keep it for ten minutes more. */
const endsAtOnce = (program: Program.Program, address: string, signal: "SIGINT" | "SIGTERM") =>
  Effect.gen(function* () {
    const store = Store.at(address)
    yield* store.put({ key: "blocking/a", value: "1" })
    const index = Effect.map(store.request("GET", "/v1/kv/blocking/a"), ({ text }) =>
      Number(/"ModifyIndex":(\d+)/.exec(text)?.[1])
    )
    yield* Effect.fork(store.request("GET", `/v1/kv/blocking/a?index=${yield* index}&wait=10m`))
    yield* Program.live(Effect.sleep("100 millis"))
    yield* program.signal(signal)
    expect(yield* program.exit).toEqual(Option.some(0))
    expect(yield* program.log).toEqual([])
  })

/** Sends a request by hand, a chunk of the body at a time until there is an answer, or the connection ends; tells how many bytes were taken. */
const send = (address: string, request: Http.RequestOptions, bodyBytes = 0) =>
  Effect.async<{ readonly status: number; readonly text: string; readonly sent: number }>((resume) => {
    const chunk = Buffer.alloc(65_536, "x")
    let sent = 0
    const client = Http.request(`http://${address}`, request, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (data: string) => {
        text += data
      })
      response.on("close", () => {
        client.destroy()
        resume(Effect.succeed({ status: response.statusCode ?? 0, text, sent }))
      })
    })
    // A connection that ends while the body is on its way may lose the answer.
    client.on("error", () => resume(Effect.succeed({ status: 0, text: "", sent })))
    const write = () => {
      if (sent >= bodyBytes) client.end()
      else {
        const isTaken = client.write(chunk)
        sent += chunk.length
        if (isTaken) setImmediate(write)
        else client.once("drain", write)
      }
    }
    write()
  })

layer(NodeContext.layer)("dev", (it) => {
  it.scoped(
    "refuses a request for another host than itself, as a page sends whose name was made to lead here",
    () =>
      Effect.gen(function* () {
        const program = yield* Program.start(["dev", "-dc=dc1=0", "-host=consul.test"])
        const address = yield* addressOf(program, "dc1")
        const status = (host: string) =>
          Effect.map(
            send(address, { path: "/v1/kv/a?keys", setHost: false, headers: { host } }),
            ({ status, text }) => [status, text] as const
          )
        for (const host of ["evil.example", `evil.example:${portOf(address)}`]) {
          const [code, text] = yield* status(host)
          expect(code).toBe(403)
          expect(text).toContain(`"${host}" is not a host of this server`)
        }
        for (const host of [address, "localhost:8500", "consul.test", "[::1]"]) {
          expect((yield* status(host))[0]).toBe(404)
        }
      })
  )

  it.scoped("cuts a body off that is larger than Consul accepts, whether or not a header has its size", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(["dev", "-dc=dc1=0"])
      const address = yield* addressOf(program, "dc1")
      const large = 200 * 2 ** 20
      for (const headers of [{ "content-length": large }, { "transfer-encoding": "chunked" }]) {
        const { sent, status, text } = yield* send(
          address,
          { method: "PUT", path: "/v1/kv/a", headers },
          large
        )
        // The connection can be reset before the client, which still sends, has read the answer.
        expect([0, 413]).toContain(status)
        if (status === 413) expect(text).toContain("too large, max size: 524288 bytes")
        // What the sockets of both sides hold is on its way.
        expect(sent).toBeLessThan(50 * 2 ** 20)
      }
      const whole = 524_288
      for (const headers of [{ "content-length": whole }, { "transfer-encoding": "chunked" }]) {
        const { status, text } = yield* send(address, { method: "PUT", path: "/v1/kv/a", headers }, whole)
        expect([status, text]).toEqual([200, "true"])
      }
      expect((yield* Store.at(address).request("GET", "/v1/kv/a?raw")).text).toHaveLength(whole)
    })
  )

  it.scoped("prints addresses that answer, those of datacenters that reach each other", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(["dev", "-dc", "nyc1=0", "-dc=sfo1=0"])
      const [nyc1, sfo1] = [yield* addressOf(program, "nyc1"), yield* addressOf(program, "sfo1")]
      expect(yield* program.output).toEqual([`nyc1 http://${nyc1}`, `sfo1 http://${sfo1}`])
      yield* Store.at(nyc1).put({ key: "a", value: "from nyc1" })
      const { status, text } = yield* Store.at(sfo1).request("GET", "/v1/kv/a?dc=nyc1&raw")
      expect([status, text]).toEqual([200, "from nyc1"])
      expect(yield* Store.at(sfo1).keys("")).toEqual([])
    })
  )

  it.scoped("is of use to the program: replicates from one to the other", () =>
    Effect.gen(function* () {
      const servers = yield* Program.start(["dev", "-dc=nyc1=0", "-dc=sfo1=0"])
      const [nyc1, sfo1] = [yield* addressOf(servers, "nyc1"), yield* addressOf(servers, "sfo1")]
      yield* Program.start(["-src=nyc1", `-addr=${sfo1}`])
      const [source, destination] = [Store.at(nyc1), Store.at(sfo1)]
      yield* source.put({ key: "global/a", value: "1" })
      yield* Store.eventually(destination.value("global/a"), (value) => value === "1")
    })
  )

  it.scoped("listens on the given address, and only on 127.0.0.1 if none is given", () =>
    Effect.gen(function* () {
      const usual = portOf(yield* addressOf(yield* Program.start(["dev", "-dc=a=0"]), "a"))
      expect(yield* connects("127.0.0.1", usual)).toBe(true)
      expect(yield* connects("127.0.0.2", usual)).toBe(false)
      const url = yield* addressOf(yield* Program.start(["dev", "-dc=a=0", "-bind=127.0.0.2"]), "a")
      expect(url).toMatch(/^127\.0\.0\.2:/)
      expect(yield* connects("127.0.0.2", portOf(url))).toBe(true)
      expect(yield* connects("127.0.0.1", portOf(url))).toBe(false)
    })
  )

  it.scoped("a port that is in use ends it with 1 and a line that says so; nothing is served then", () =>
    Effect.gen(function* () {
      const port = yield* occupy(0)
      expect(yield* Program.run(["dev", "-dc=a=0", `-dc=b=${port}`])).toEqual({
        code: 1,
        stdout: "",
        stderr: `consul-replicate: port ${port} of 127.0.0.1 is in use; choose another, or 0 for a free one\n`
      })
    })
  )

  for (const [args, named] of [
    [["-dc=a"], "-dc"],
    [["-dc=a=65536"], "-dc"],
    [["-dc=a b=0"], "-dc"],
    [["-dc=a=0", "-dc=A=0"], "-dc"],
    [["-dc=a=0", "-bind="], "-bind"],
    [["-dc=a=0", "-src=nyc1"], "-src"],
    [["extra"], "extra"]
  ] as const) {
    it.effect(`${args.join(" ")} is refused by a line that names ${named}`, () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* Program.run(["dev", ...args])
        expect([code, stdout]).toEqual([2, ""])
        expect(stderr).toMatch(/^consul-replicate: [^\n]+\n$/)
        expect(stderr).toContain(named)
      })
    )
  }

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.scoped(`${signal} ends it at once with 0, whichever requests wait for an answer`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start(["dev", "-dc=nyc1=0"])
        yield* endsAtOnce(program, yield* addressOf(program, "nyc1"), signal)
      })
    )
  }
})

const has = (command: string) => ChildProcess.spawnSync(command, ["--version"]).error === undefined

/** Up by as many lines as the table has, none of which may be wrapped into two. */
const tablesOf = (text: string) => text.split("\u001b[3A\u001b[?7l").slice(1)

layer(NodeContext.layer)("demo", (it) => {
  const arrival = (to: string, key: string) => new RegExp(`^nyc1 → ${to}  ${key}( |$)`)

  it.scoped("a line each, without codes for a terminal, tells what arrived where and how late", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(["demo"])
      yield* program.prints(arrival("sfo1", "global/motd"))
      yield* program.prints(arrival("ams2", "global/motd"))
      for (const to of ["sfo1", "ams2"]) {
        expect(yield* program.prints(arrival(to, "global/visits"))).toMatch(/ [\d.]+ ms$/)
      }
      expect((yield* program.output).join("\n")).not.toContain("\u001b")
      expect(yield* program.log).toEqual([])
    })
  )

  it.scoped.skipIf(!has("curl"))("its curl lines do what they are there for", () =>
    Effect.gen(function* () {
      const program = yield* Program.start(["demo"])
      yield* program.prints(/Ctrl-C/)
      const commands = (yield* program.output)
        .filter((line) => line.startsWith("  curl "))
        .map((line) => line.trim())
      expect(commands).toHaveLength(4)
      const [put = "", get = "", keys = "", status = ""] = commands
      const run = (command: string) =>
        Program.live(Command.string(Command.make("sh", "-c", `${command} --silent --show-error --fail`)))
      expect((yield* run(put)).trim()).toBe("true")
      yield* program.prints(arrival("sfo1", "global/greeting"))
      yield* program.prints(arrival("ams2", "global/greeting"))
      expect(yield* run(get)).toBe("hello")
      expect(JSON.parse(yield* run(keys))).toContain("global/greeting")
      expect(JSON.parse(yield* run(status))).toMatchObject({ State: "in-sync", Source: "nyc1" })
    })
  )

  it.scoped.skipIf(!has("script"))(
    "on a terminal a table is updated in place, and Ctrl-C ends it with 0",
    () =>
      Effect.gen(function* () {
        // The shell gives way to the program: Ctrl-C goes to all that run on the terminal, and only some shells outlive it.
        const command = `exec node "${Program.path}" demo`
        const typed = yield* Queue.unbounded<string>()
        const script = Command.make("script", "--quiet", "--return", "--command", command, "/dev/null").pipe(
          Command.env({ SHELL: "/bin/sh" }),
          Command.stdin(Stream.encodeText(Stream.fromQueue(typed)))
        )
        const process = yield* Command.start(script)
        const pressCtrlC = yield* Effect.once(Queue.offer(typed, "\u0003"))
        // The terminal is closed when nothing can be typed any more, so that must not be before the end.
        const stdout = yield* process.stdout.pipe(
          Stream.decodeText(),
          Stream.mapAccum("", (before, text) => [before + text, before + text]),
          Stream.tap((text) => (tablesOf(text).length > 2 ? pressCtrlC : Effect.void)),
          Stream.runLast,
          Effect.map(Option.getOrElse(() => "")),
          Effect.timeout(Program.hung),
          Program.live
        )
        expect(yield* process.exitCode).toBe(0)
        const last = tablesOf(stdout).at(-1)?.split("\u001b[?7h") ?? []
        expect(last[0]).toMatch(/changes.*nyc1 → sfo1.*nyc1 → ams2/s)
        expect(last[1]).toMatch(/^\s*(\^C)?\s*$/)
      })
  )

  it.scoped("uses free ports if the usual ones are in use", () =>
    Effect.gen(function* () {
      const usual = [8500, 9500, 10_500]
      // If another program listens there already, the port is in use as well.
      yield* Effect.forEach(usual, (port) => Effect.ignore(occupy(port)))
      const program = yield* Program.start(["demo"])
      yield* program.prints(arrival("ams2", "global/motd"))
      for (const datacenter of ["nyc1", "sfo1", "ams2"]) {
        const address = yield* addressOf(program, datacenter)
        expect(usual).not.toContain(portOf(address))
        expect(yield* Store.at(address).value("global/motd")).toBe("hello from nyc1")
      }
    })
  )

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.scoped(`${signal} ends it at once with 0, and without a word`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start(["demo"])
        yield* program.prints(arrival("sfo1", "global/motd"))
        yield* endsAtOnce(program, yield* addressOf(program, "nyc1"), signal)
      })
    )
  }

  it.scoped("ends quietly when the reader of its output has gone", () =>
    Effect.gen(function* () {
      const piped = Command.make(
        "sh",
        "-c",
        `{ node "$0" demo; echo "code $?" >&2; } | head -n 1`,
        Program.path
      )
      const { stderr, stdout } = yield* Program.capture(piped)
      expect(stdout).toMatch(/^nyc1 [^\n]+\n$/)
      expect(stderr).toBe("code 0\n")
    })
  )
})
