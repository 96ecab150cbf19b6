/**
 * A real Consul agent: its ports, its folder, and a process that can be stopped and started again.
 */
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { PortTaken } from "./FreePorts.js"

/** The actions on one agent, or on all agents of a datacenter at once. To stop a stopped agent does nothing. */
export interface Controls {
  /** Stops with SIGTERM, as an operator does: a client agent leaves its cluster, a server does not. */
  readonly stop: Effect.Effect<void>
  /** Stops with SIGKILL. */
  readonly kill: Effect.Effect<void>
  /** Starts with the same ports and data. Waits until the datacenter has a leader and accepts writes. */
  readonly start: Effect.Effect<void, StartError>
  /** Stops and deletes the data: the next start is that of a new agent. */
  readonly wipe: Effect.Effect<void>
}

export interface ConsulAgent extends Controls {
  readonly node: string
  /** Host and port of the HTTP interface: `127.0.0.1:<port>`. */
  readonly address: string
  /** The id of the process, while it runs. */
  readonly pid: Effect.Effect<Option.Option<CommandExecutor.ProcessId>>
  /** The output of the process, over all its starts. */
  readonly log: Effect.Effect<string>
  /** Waits until the agent answers a request with `?dc=<datacenter>`. */
  readonly reaches: (datacenter: string) => Effect.Effect<void, StartError>
}

export class RealConsulError extends Data.TaggedError("RealConsulError")<{ readonly message: string }> {}

export type StartError = RealConsulError | PortTaken

export interface Options {
  readonly binary: string
  /** The folder of the agent, which is created. Its parent exists. */
  readonly folder: string
  readonly node: string
  readonly httpPort: number
  /** Configurations. Consul merges them in their order. */
  readonly configs: ReadonlyArray<object>
  /** Additional flags of the command. */
  readonly flags: ReadonlyArray<string>
}

/** Runs on the real clock: processes and sockets do not follow a test's clock. */
export const live = Effect.withClock(Clock.make())

/** An agent that is not started yet. It is killed when the scope closes. */
export const make = Effect.fnUntraced(function* ({
  binary,
  configs,
  flags,
  folder,
  httpPort,
  node
}: Options) {
  const executor = yield* CommandExecutor.CommandExecutor
  const fs = yield* FileSystem.FileSystem
  const client = yield* HttpClient.HttpClient
  const scope = yield* Effect.scope
  const latest = yield* Ref.make(Option.none<CommandExecutor.Process>())

  const data = `${folder}/data`
  const logFile = `${folder}/log`
  yield* fs.makeDirectory(folder)
  const configFiles = yield* Effect.forEach(configs, (config, index) => {
    const file = `${folder}/${index}.json`
    return Effect.as(fs.writeFileString(file, JSON.stringify(config)), file)
  })
  const args = [`-data-dir=${data}`, ...configFiles.map((file) => `-config-file=${file}`), ...flags]

  const launch = executor
    .start(Command.make("sh", "-c", endingWithUs, logFile, binary, "agent", ...args))
    .pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.tap((process) => Ref.set(latest, Option.some(process))),
      Effect.uninterruptible,
      Effect.orDie
    )
  const running: Effect.Effect<Option.Option<CommandExecutor.Process>> = Effect.gen(function* () {
    const process = yield* Ref.get(latest)
    return Option.isSome(process) && (yield* Effect.orDie(process.value.isRunning)) ? process : Option.none()
  })

  const signal = (name: CommandExecutor.Signal) =>
    Effect.flatMap(
      running,
      Effect.transposeMapOption((process) => process.kill(name))
    )
  // Fails if the process ends at the same moment.
  const kill = Effect.ignore(signal("SIGKILL"))
  const stop = signal("SIGTERM").pipe(
    Effect.interruptible,
    Effect.timeout(grace),
    Effect.catchAll(() => kill),
    live
  )
  yield* Effect.addFinalizer(() => kill)

  const log = Effect.orElseSucceed(fs.readFileString(logFile), () => "")
  const failed = (what: string) =>
    Effect.flatMap(log, (text): Effect.Effect<never, StartError> => {
      const message = `${node} ${what}\n${text.trimEnd().split("\n").slice(-10).join("\n")}`
      return message.includes("address already in use")
        ? new PortTaken({ message })
        : new RealConsulError({ message })
    })

  const address = `127.0.0.1:${httpPort}`
  /** Whether the servers answer. With access control, a 403 shows that too: every status below 500 does. */
  const answer = (request: HttpClientRequest.HttpClientRequest) =>
    client.execute(HttpClientRequest.prependUrl(request, `http://${address}/v1`)).pipe(
      Effect.flatMap((response) => Effect.map(response.text, (text) => ({ status: response.status, text }))),
      Effect.timeout("10 seconds"),
      Effect.filterOrFail(({ status }) => status < 500),
      Effect.retry(Schedule.spaced("25 millis"))
    )
  const takesWrites = answer(sessionCreate).pipe(
    Effect.filterOrElse(
      ({ status }) => status !== 200,
      ({ text }) =>
        Effect.flatMap(decodeSession(text), ({ ID }) =>
          answer(HttpClientRequest.put(`/session/destroy/${ID}`))
        )
    ),
    Effect.timeout(patience),
    Effect.catchAll(() => failed(`takes no writes after ${patience}`))
  )

  return {
    node,
    address,
    pid: Effect.map(
      running,
      Option.map(({ pid }) => pid)
    ),
    log,
    stop,
    kill,
    wipe: Effect.zipRight(stop, Effect.orDie(fs.remove(data, { recursive: true, force: true }))),
    start: Effect.gen(function* () {
      const process = yield* Effect.flatMap(
        running,
        Option.match({ onNone: () => launch, onSome: Effect.succeed })
      )
      const ended = Effect.zipRight(Effect.exit(process.exitCode), failed("has ended"))
      yield* Effect.raceFirst(takesWrites, ended)
    }).pipe(live),
    reaches: (datacenter: string) =>
      answer(HttpClientRequest.get("/kv/", { urlParams: { dc: datacenter, keys: "", separator: "/" } })).pipe(
        Effect.timeout(patience),
        Effect.catchAll(() => failed(`does not reach ${datacenter} after ${patience}`)),
        Effect.asVoid,
        live
      )
  } satisfies ConsulAgent
})

/** Creates a session: that needs a leader, a write, and a node that is registered and healthy. */
const sessionCreate = HttpClientRequest.put("/session/create")
const decodeSession = Schema.decode(Schema.parseJson(Schema.Struct({ ID: Schema.String })))

/** A server ends half a second after SIGTERM, in which it finishes requests. A client leaves its cluster and ends after five. */
const grace = "8 seconds"

/** An election takes one to two seconds, and on a busy machine many times as long. This limit ends a hanging test. */
const patience = "5 minutes"

/**
 * Runs an agent that ends with this process, even if this process is killed: then the stdin of a shell closes, and the shell kills
 * the process group.
 */
const endingWithUs = `
  exec 3<&0 >>"$0" 2>&1
  (read -r _ <&3; kill -KILL 0) &
  exec "$@" 3<&- </dev/null`
