import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"
import { SharedDatacenters } from "../support/consul/SharedDatacenters.js"
import * as Store from "../support/consul/Store.js"
import * as Program from "./Program.js"

const lines = (program: Program.Program, pattern: RegExp) =>
  Effect.map(program.log, (log) => log.filter((line) => pattern.test(line)))

/** What the program with this name has in Consul at the moment. */
const traces = (store: Store.Store, name: string) =>
  Effect.gen(function* () {
    const [sessions, services, lock] = yield* Effect.all([
      store.request("GET", "/v1/session/list"),
      store.request("GET", `/v1/catalog/service/${name}`),
      store.request("GET", `/v1/kv/service/${name}/leader`)
    ])
    return {
      sessions: (JSON.parse(sessions.text) as ReadonlyArray<{ readonly Name: string }>).filter((session) =>
        session.Name.startsWith(`${name} for `)
      ).length,
      services: (JSON.parse(services.text) as ReadonlyArray<unknown>).length,
      isLocked: lock.text.includes('"Session"')
    }
  })

/** Arguments of a program whose keys and service have this name. */
const options = (name: string, address: string, source = "nyc1") => [
  `-src=${source}`,
  `-addr=${address}`,
  `-prefix=${name}/`,
  `-lock=service/${name}/leader`,
  `-status=service/${name}/status`,
  `-service=${name}`
]

const nothing = { sessions: 0, services: 0, isLocked: false }

describeConsul(
  "the life of the program",
  () => {
    layer(Layer.merge(SharedDatacenters.layer, NodeContext.layer))((it) => {
      const world = Effect.map(SharedDatacenters, ({ nyc1, sfo1 }) => ({
        address: sfo1.address,
        source: Store.at(nyc1.address),
        destination: Store.at(sfo1.address)
      }))

      const replicate = (name: string, ...args: ReadonlyArray<string>) =>
        Effect.flatMap(world, ({ address }) => Program.start([...options(name, address), ...args]))

      for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
        it.scoped(`${signal} stops it with 0 and a line, and nothing of it is left in Consul`, () =>
          Effect.gen(function* () {
            const name = signal.toLowerCase()
            const { destination, source } = yield* world
            yield* source.put({ key: `${name}/a`, value: "1" })
            const program = yield* replicate(name)
            yield* Store.converge(source, destination, `${name}/`)
            expect(yield* traces(destination, name)).toEqual({ sessions: 1, services: 1, isLocked: true })
            yield* program.signal(signal)
            expect(yield* program.exit).toEqual(Option.some(0))
            expect((yield* program.log).at(-1)).toMatch(new RegExp(`INFO +stopping: ${signal}$`))
            yield* Store.eventually(
              traces(destination, name),
              (left) => JSON.stringify(left) === JSON.stringify(nothing)
            )
          })
        )
      }

      it.scoped("SIGUSR1 and SIGUSR2 mean nothing to it", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          const program = yield* replicate("usr")
          yield* program.says(/in sync/)
          const before = yield* program.log
          yield* program.signal("SIGUSR1")
          yield* program.signal("SIGUSR2")
          yield* Program.live(Effect.sleep("200 millis"))
          expect(yield* program.log).toEqual(before)
          yield* source.put({ key: "usr/a", value: "1" })
          yield* Store.converge(source, destination, "usr/")
        })
      )

      it.scoped("SIGHUP stops nothing: the settings are read again, and what has not changed goes on", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          const program = yield* replicate("hup")
          yield* program.says(/in sync/)
          for (const value of ["1", "2"]) {
            yield* program.signal("SIGHUP")
            yield* Store.eventually(
              Effect.map(program.log, (log) =>
                log.filter((line) =>
                  /INFO +SIGHUP: reloaded; replications: 0 started, 0 ended, 1 go on as before \(.*\)$/.test(
                    line
                  )
                )
              ),
              (lines) => lines.length === Number(value)
            )
            yield* source.put({ key: "hup/a", value })
            yield* Store.converge(source, destination, "hup/")
          }
          expect((yield* program.log).filter((line) => line.includes("leading"))).toHaveLength(1)
        })
      )

      it.scoped("a stopped leader hands over to a standby, which has logged the holder of the lock", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          yield* source.put({ key: "handover/a", value: "1" })
          const first = yield* replicate("handover")
          yield* first.says(/in sync/)
          const second = yield* replicate("handover")
          yield* second.says(new RegExp(`standing by: .* held by pid ${first.pid} on sfo1-1 since `))
          yield* first.signal("SIGTERM")
          yield* second.says(/leading/)
          yield* source.put({ key: "handover/a", value: "2" })
          yield* Store.converge(source, destination, "handover/")
          expect(yield* lines(second, /standing by/)).toHaveLength(1)
        })
      )

      it.scoped("-once fails at a signal while it waits for the lock, and leaves nothing in Consul", () =>
        Effect.gen(function* () {
          const { destination } = yield* world
          const leader = yield* replicate("early")
          yield* leader.says(/in sync/)
          const before = yield* traces(destination, "early")
          const once = yield* replicate("early", "-once")
          yield* once.says(/standing by/)
          yield* once.signal("SIGINT")
          expect(yield* once.exit).toEqual(Option.some(1))
          expect(yield* lines(once, /SIGINT/)).toHaveLength(1)
          yield* Store.eventually(
            traces(destination, "early"),
            (left) => JSON.stringify(left) === JSON.stringify(before)
          )
        })
      )

      it.scoped("a killed leader is replaced, and its entry in the catalog is marked critical", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          const first = yield* replicate("killed")
          yield* first.says(/in sync/)
          const second = yield* replicate("killed")
          yield* second.says(/standing by/)
          yield* first.signal("SIGKILL")
          yield* source.put({ key: "killed/a", value: "1" })
          yield* Store.eventually(destination.value("killed/a"), (value) => value === "1")
          const { text } = yield* destination.request("GET", "/v1/health/state/critical")
          expect(text).toContain('"ServiceName":"killed"')
        })
      )

      it.scoped("a leader whose session is destroyed stops, says so, and leads again", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          const program = yield* replicate("destroyed")
          yield* program.says(/in sync/)
          const { text } = yield* destination.request("GET", "/v1/kv/service/destroyed/leader")
          const [, session] = /"Session":"([^"]+)"/.exec(text) ?? []
          yield* destination.request("PUT", `/v1/session/destroy/${session}`)
          yield* program.says(/lost the lock service\/destroyed\/leader/)
          yield* source.put({ key: "destroyed/a", value: "1" })
          yield* Store.converge(source, destination, "destroyed/")
          expect(yield* lines(program, /leading/)).toHaveLength(2)
        })
      )

      it.scoped("the status tells what was replicated, with the change itself", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          yield* destination.put({ key: "service/status/status", value: '{"LastReplicated":7}' })
          yield* source.put({ key: "status/a", value: "1" })
          yield* replicate("status")
          yield* Store.converge(source, destination, "status/")
          const read = Effect.map(
            destination.value("service/status/status"),
            (text) => JSON.parse(text ?? "{}") as object
          )
          const index = Effect.map(source.request("GET", "/v1/kv/status/a"), ({ text }) =>
            Number(/"ModifyIndex":(\d+)/.exec(text)?.[1])
          )
          expect(yield* read).toMatchObject({
            LastReplicated: yield* index,
            Source: "nyc1",
            Prefix: "status/",
            DestinationPrefix: "status/",
            State: "in-sync"
          })
          yield* source.put({ key: "status/a", value: "2" })
          yield* Store.converge(source, destination, "status/")
          expect(yield* read).toMatchObject({ LastReplicated: yield* index })
        })
      )

      it.scoped("values never reach the log, at any level", () =>
        Effect.gen(function* () {
          const { destination, source } = yield* world
          yield* source.put(
            { key: "quiet/a", value: "s3cret-value" },
            { key: "quiet/b", value: "s3cret-value".repeat(40_000) }
          )
          const program = yield* replicate("quiet", "-log-level=debug")
          yield* Store.converge(source, destination, "quiet/")
          const log = (yield* program.log).join("\n")
          expect(log).not.toContain("s3cret")
          expect(log).not.toContain(Buffer.from("s3cret-value").toString("base64").slice(0, 12))
        })
      )

      for (const [name, what, redirection] of [
        ["full", "a full disk", "2>/dev/full"],
        ["unread", "a pipe whose reader has gone", "2> >(exec true)"]
      ] as const) {
        it.scoped(`with its log on ${what} it replicates, once and until stopped`, () =>
          Effect.gen(function* () {
            const { address, destination, source } = yield* world
            const start = (...args: ReadonlyArray<string>) =>
              Program.startRedirected(redirection, [...options(name, address), ...args])
            yield* source.put({ key: `${name}/a`, value: "1" })
            const once = yield* start("-once")
            expect(yield* once.exit).toEqual(Option.some(0))
            expect(yield* destination.value(`${name}/a`)).toBe("1")
            const program = yield* start()
            for (const value of ["2", "3"]) {
              yield* source.put({ key: `${name}/a`, value })
              yield* Store.converge(source, destination, `${name}/`)
            }
            yield* program.signal("SIGTERM")
            expect(yield* program.exit).toEqual(Option.some(0))
            yield* Store.eventually(
              traces(destination, name),
              (left) => JSON.stringify(left) === JSON.stringify(nothing)
            )
          })
        )
      }

      it.scoped("the agent's own datacenter is refused as source where prefixes overlap, else not", () =>
        Effect.gen(function* () {
          const { address, destination } = yield* world
          const args = options("own", address, "SFO1")
          for (const target of ["own/", "own/copy/", "o", ""]) {
            const { code, stderr } = yield* Program.run([...args, `-dst-prefix=${target}`])
            expect(code).toBe(2)
            expect(stderr.trim().split("\n").at(-1)).toMatch(/^consul-replicate: -src: .*sfo1/)
          }
          expect(yield* destination.keys("service/own/")).toEqual([])
          yield* destination.put({ key: "own/a", value: "1" })
          yield* Program.start([...args, "-dst-prefix=elsewhere/"])
          yield* Store.eventually(destination.value("elsewhere/a"), (value) => value === "1")
        })
      )

      it.scoped("a datacenter that does not exist is waited for, and logged once", () =>
        Effect.gen(function* () {
          const { address } = yield* world
          const program = yield* Program.start(options("atlantis", address, "atlantis"))
          yield* program.says(/waiting for the source atlantis: no path to datacenter "atlantis"/)
          yield* Program.live(Effect.sleep("2 seconds"))
          expect(yield* lines(program, /atlantis.*no path/)).toHaveLength(1)
        })
      )
    })
  },
  { concurrent: true }
)

describeConsul("the life of the program", () => {
  layer(Layer.merge(RealConsul.TwoDatacenters.layer, NodeContext.layer))(
    "while servers come and go",
    (it) => {
      it.scoped(
        "started before its agent it waits, and replicates when the agent is there; as with the source",
        () =>
          Effect.gen(function* () {
            const { nyc1, sfo1 } = yield* RealConsul.TwoDatacenters
            const [source, destination] = [Store.at(nyc1.address), Store.at(sfo1.address)]
            yield* source.put({ key: "global/a", value: "1" })
            yield* sfo1.stop
            const program = yield* Program.start(["-src=nyc1", `-addr=${sfo1.address}`])
            yield* program.says(/waiting for the agent/)
            yield* sfo1.start
            yield* program.says(/leading/)
            yield* Store.converge(source, destination, "global/")
            expect(yield* lines(program, /waiting for the agent/)).toHaveLength(1)

            yield* nyc1.stop
            yield* program.says(/waiting for the source nyc1/)
            yield* nyc1.start
            yield* source.put({ key: "global/b", value: "2" })
            yield* Store.converge(source, destination, "global/")
            expect(yield* lines(program, /leading/)).toHaveLength(1)
          })
      )
    }
  )

  const agentToFreeze = Effect.map(RealConsul.datacenters(["sfo1"]), ({ sfo1 }) => sfo1.agents[0])
  class Agent extends Effect.Service<Agent>()("test/cli/Lifecycle/Agent", { scoped: agentToFreeze }) {}

  layer(Layer.provideMerge(Agent.Default, NodeContext.layer))("without an agent that answers", (it) => {
    /** A leader whose agent has been frozen, until the test ends. */
    const beforeFrozen = Effect.fnUntraced(function* (name: string) {
      const agent = yield* Agent
      const program = yield* Program.start(options(name, agent.address))
      yield* program.says(/leading/)
      const pid = Option.getOrThrow(yield* agent.pid)
      yield* Effect.acquireRelease(
        Effect.sync(() => process.kill(pid, "SIGSTOP")),
        () => Effect.sync(() => process.kill(pid, "SIGCONT"))
      )
      return program
    })

    it.scoped("a second signal ends it at once, without a word to the agent", () =>
      Effect.gen(function* () {
        const program = yield* beforeFrozen("twice")
        // Alone, the first waits for a frozen agent, for a few seconds at most, and ends with 0.
        yield* program.signal("SIGTERM")
        yield* program.says(/stopping: SIGTERM/)
        yield* program.signal("SIGTERM")
        // Killed by the signal itself.
        expect(yield* program.exit).toEqual(Option.none())
      })
    )

    it.scoped("one signal is enough", () =>
      Effect.gen(function* () {
        const program = yield* beforeFrozen("once")
        yield* program.signal("SIGTERM")
        expect(yield* program.exit).toEqual(Option.some(0))
      })
    )
  })
})
