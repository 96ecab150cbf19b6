import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import manifest from "../../package.json" with { type: "json" }
import { version } from "../../src/Version.js"
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
        for (const fallback of ["127.0.0.1:8500", "global/", "service/consul-replicate/leader"]) {
          expect(stdout).toContain(fallback)
        }
      })
    )
  }

  it.effect("-version prints the version of the package", () =>
    Effect.gen(function* () {
      expect(version).toBe(manifest.version)
      expect(yield* run("-version")).toEqual({ code: 0, stdout: `consul-replicate ${version}\n`, stderr: "" })
    })
  )

  // The port belongs to nobody: had one of these been tried, it would wait for its agent.
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
    [[...valid, "-prefix=global@nyc1"], "-src"],
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
    it.scoped(`${args.join(" ")} ends quietly where nobody reads what it prints`, () =>
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

  it.scoped("a prefix that begins with a slash is warned of, and taken as it is", () =>
    Effect.gen(function* () {
      const program = yield* Program.start([...valid, "-prefix=/global/", "-dst-prefix=//copy/"])
      yield* program.says(/WARN .*-prefix: "\/global\/" begins with a slash.*"global\/"/)
      yield* program.says(/WARN .*-dst-prefix: "\/\/copy\/" begins with a slash.*"copy\/"/)
      yield* program.says(/waiting for the agent/)
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
})
