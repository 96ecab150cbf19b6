import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Program from "./Program.js"

/** A command `logger` that writes its arguments and each line that it gets to a file, before all others in PATH. */
const withLogger = (body: (file: string) => string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped()
    const file = `${folder}/received`
    yield* files.writeFileString(file, "")
    yield* files.writeFileString(
      `${folder}/logger`,
      `#!/bin/sh\n[ "$1" = --version ] && exit 0\n${body(file)}\n`
    )
    yield* files.chmod(`${folder}/logger`, 0o755)
    return {
      env: { PATH: `${folder}:${yield* Config.string("PATH")}` },
      folder,
      received: Effect.map(files.readFileString(file), (text) => text.trim().split("\n"))
    }
  })

const recording = (file: string) => `while IFS= read -r line; do echo "$* | $line" >> "${file}"; done`

/** No agent listens there, so that the program gives up soon. */
const giveUp = ["-prefix=a@nyc1", "-addr=127.0.0.1:1", "-once", "-consul-retry-attempts=2"]

describe("-syslog", () => {
  it.scoped("sends every line beside stderr, with the level as severity, and the reason of the end", () =>
    Effect.gen(function* () {
      const { env, received } = yield* withLogger(recording)
      const program = yield* Program.start(["-syslog", ...giveUp], env)
      expect(yield* program.exit).toEqual(Option.some(1))
      const about = `-t consul-replicate[${program.pid}] -p local0`
      const lines = yield* received
      expect(lines).toHaveLength(3)
      expect(lines).toContainEqual(expect.stringContaining(`${about}.info | consul-replicate `))
      expect(lines).toContainEqual(expect.stringContaining(`${about}.warning | waiting for the agent: `))
      expect(lines).toContainEqual(expect.stringContaining(`${about}.err | gave up after `))
      expect((yield* program.log).filter((line) => / (INFO|WARN) /.test(line))).toHaveLength(2)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("takes the facility, which asks for it by itself, and obeys the level of the log", () =>
    Effect.gen(function* () {
      const { env, received } = yield* withLogger(recording)
      const program = yield* Program.start(["-syslog-facility=local5", "-log-level=warn", ...giveUp], env)
      yield* program.exit
      expect((yield* received).map((line) => / -p (\S+) /.exec(line)?.[1]).sort()).toEqual([
        "local5.err",
        "local5.warning"
      ])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("without a command logger is refused before anything is touched", () =>
    Effect.gen(function* () {
      const { folder } = yield* withLogger(recording)
      const command = Command.make(process.execPath, Program.path, "-syslog", ...giveUp)
      const outcome = yield* Program.capture(Command.env(command, { PATH: `${folder}/none` }))
      expect(outcome).toMatchObject({
        code: 2,
        stderr:
          "consul-replicate: -syslog: needs the command logger of util-linux, bsdutils or busybox: it is not there\n"
      })
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("goes on without syslog when logger fails, and says so on stderr alone", () =>
    Effect.gen(function* () {
      const { env, received } = yield* withLogger(() => "echo no daemon >&2; exit 1")
      const program = yield* Program.start(["-syslog", "-prefix=a@nyc1", "-addr=127.0.0.1:1"], env)
      expect(
        yield* program.says(/WARN {2}some lines may not have reached syslog: logger: no daemon$/)
      ).toBeDefined()
      yield* program.signal("SIGTERM")
      expect(yield* program.exit).toEqual(Option.some(0))
      expect(yield* received).toEqual([""])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("sends the last lines also if the signal of the end has ended each logger, as systemd does", () =>
    Effect.gen(function* () {
      const { env, received } = yield* withLogger((file) => `echo "pid $$" >> "${file}"; ${recording(file)}`)
      const program = yield* Program.start(["-syslog", "-prefix=a@nyc1", "-addr=127.0.0.1:1"], env)
      yield* program.says(/WARN .*waiting for the agent/)
      const pids = Effect.map(received, (lines) =>
        lines.flatMap((line) => /^pid (\d+)$/.exec(line)?.[1] ?? [])
      )
      yield* Effect.filterOrFail(pids, (all) => all.length === 2).pipe(
        Effect.retry({ schedule: Schedule.spaced("10 millis") }),
        Program.live
      )
      for (const pid of yield* pids) yield* Effect.sync(() => process.kill(Number(pid), "SIGKILL"))
      yield* program.signal("SIGTERM")
      expect(yield* program.exit).toEqual(Option.some(0))
      expect(yield* received).toContainEqual(expect.stringMatching(/local0\.info \| stopping: SIGTERM$/))
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("waits for no logger that takes its input for ever when it is asked for its version", () =>
    Effect.gen(function* () {
      const { env, folder } = yield* withLogger(() => "")
      const files = yield* FileSystem.FileSystem
      yield* files.writeFileString(`${folder}/logger`, "#!/bin/sh\nexec cat > /dev/null\n")
      const program = yield* Program.start(["-syslog", ...giveUp], env)
      expect(yield* program.exit).toEqual(Option.some(1))
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("delays nothing: a logger that reads no line delays the end by two seconds at most", () =>
    Effect.gen(function* () {
      const { env } = yield* withLogger(() => "exec sleep 600")
      const program = yield* Program.start(["-syslog", ...giveUp], env)
      expect(yield* program.exit).toEqual(Option.some(1))
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
