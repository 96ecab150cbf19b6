import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Program from "./Program.js"

/** No agent listens there. */
const unused = "127.0.0.1:1"

const file = (text: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped()
    yield* files.writeFileString(`${folder}/replicate.hcl`, text)
    return { folder, path: `${folder}/replicate.hcl` }
  })

describe("settings of 0.4.0", () => {
  it.scoped(
    "of a file and of the command line start the program, and each that is old or of no use is a warning",
    () =>
      Effect.gen(function* () {
        const { path } = yield* file(
          `consul { address = "127.0.0.1:2" retry { attempts = 0 backoff = "100ms" } }
         token = "5ecret"
         prefix = "vault/logical@nyc1:copy" // one line
         max_stale = "10m"`
        )
        const program = yield* Program.start([`-config=${path}`, `-consul=${unused}`, "-wait=5s"])
        yield* program.says(/INFO .*agent http:\/\/127\.0\.0\.1:1$/)
        yield* program.says(/WARN .*-consul is now -addr$/)
        yield* program.says(
          /WARN .*replicate\.hcl:2: token: is now inside of consul; write consul \{ token = "…" \}$/
        )
        yield* program.says(
          /WARN .*replicate\.hcl:4: max_stale has no use here: nothing that is copied is stale$/
        )

        yield* program.says(/waiting for the agent/)
        yield* program.signal("SIGTERM")
        expect(yield* program.exit).toEqual(Option.some(0))
        expect((yield* program.log).join("\n")).not.toContain("5ecret")
      }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("that are wrong in a file are refused with the file and the line", () =>
    Effect.gen(function* () {
      const { path } = yield* file('prefix = "a@nyc1"\nconsul {\n  retry { backoff = "soon" }\n}\n')
      const { code, stderr, stdout } = yield* Program.run([`-config=${path}`])
      expect([code, stdout]).toEqual([2, ""])
      expect(stderr).toBe(
        `consul-replicate: ${path}:3: consul.retry.backoff "soon": not a duration; write it as 250ms, 60s or 1m30s\n`
      )
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("give a file with the number of the process as long as it runs, and a signal that stops it", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const { folder } = yield* file("")
      const path = `${folder}/replicate.pid`
      const program = yield* Program.start([
        "-prefix=a@nyc1",
        `-addr=${unused}`,
        `-pid-file=${path}`,
        "-kill-signal=SIGUSR1",
        "-reload-signal=SIGUSR2"
      ])
      yield* program.says(/waiting for the agent/)
      expect(yield* files.readFileString(path)).toBe(String(program.pid))
      yield* program.signal("SIGUSR2")
      yield* program.says(/SIGUSR2: settings are read again when the agent has answered/)
      yield* program.signal("SIGHUP")
      yield* program.signal("SIGUSR1")
      expect(yield* program.exit).toEqual(Option.some(0))
      expect((yield* program.log).at(-1)).toContain("stopping: SIGUSR1")
      expect(yield* files.exists(path)).toBe(false)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped(
    "name a file for the number of the process that cannot be written, and the program says why",
    () =>
      Effect.gen(function* () {
        const { folder } = yield* file("")
        for (const [path, reason] of [
          [`${folder}/none/replicate.pid`, "its folder is not there"],
          [folder, "it is a directory"]
        ]) {
          const { code, stderr } = yield* Program.run([
            "-prefix=a@nyc1",
            `-addr=${unused}`,
            `-pid-file=${path}`
          ])
          expect([code, stderr]).toEqual([
            2,
            `consul-replicate: -pid-file "${path}": the file cannot be written: ${reason}\n`
          ])
        }
      }).pipe(Effect.provide(NodeContext.layer))
  )

  it.effect("end the program after the time of that many attempts in 0.4.0, and say which option did", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* Program.run([
        "-prefix=a@nyc1",
        `-addr=${unused}`,
        "-consul-retry-attempts=2",
        "-consul-retry-backoff=1ms"
      ])
      expect(code).toBe(1)
      expect(stderr.trim().split("\n").at(-1)).toMatch(
        /^consul-replicate: gave up after 3ms \(-consul-retry-attempts=2\): .*agent/
      )
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.effect("are completed by bash from what the program prints", () =>
    Effect.gen(function* () {
      const line = `source <(node ${Program.path} completions bash); complete -p consul-replicate`
      const { code, stdout } = yield* Program.capture(Command.make("bash", "-c", line))
      expect(code).toBe(0)
      for (const word of ["-src", "-consul-ssl-ca-cert", "-exclude", "completions"]) {
        expect(stdout).toMatch(new RegExp(`[' ]${word}[' ]`))
      }
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
