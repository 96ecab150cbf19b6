/**
 * Datacenters in memory, served over HTTP on ports of this machine.
 */
import * as Http from "node:http"
import * as HttpServer from "@effect/platform/HttpServer"
import type { ServeError } from "@effect/platform/HttpServerError"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SimConsul } from "../../testing/SimConsul.js"
import { admit } from "../commands/dev/Admission.js"

/** The port cannot be used: another program listens there, or this user may not. */
export class PortUnavailable extends Data.TaggedError("PortUnavailable")<{
  readonly host: string
  readonly port: number
  readonly code: string
}> {
  override get message() {
    const where = `port ${this.port} of ${this.host}`
    return this.code === "EADDRINUSE"
      ? `${where} is in use; choose another, or 0 for a free one`
      : `cannot listen on ${where}: ${this.code}`
  }
}

const codeOf = ({ cause }: ServeError): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error"

/** Serves an agent until the scope closes, and returns the port: `port`, or a free one if `port` is 0. */
export const serve = (options: {
  readonly sim: SimConsul
  readonly agent: string
  readonly host: string
  readonly port: number
  /** Names under which others on the network ask this server. It refuses requests for unknown hosts. */
  readonly names?: ReadonlyArray<string>
}): Effect.Effect<number, PortUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { agent, host, names = [], port, sim } = options
    const node = Http.createServer()
    const server = yield* NodeHttpServer.make(() => node, { host, port }).pipe(
      Effect.mapError((error) => new PortUnavailable({ host, port, code: codeOf(error) }))
    )
    // Blocking queries would keep the server open for minutes.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    const app = admit(sim.httpApp(agent), [host, ...names])
    yield* Effect.provideService(HttpServer.serveEffect(app), HttpServer.HttpServer, server)
    return server.address._tag === "TcpAddress" ? server.address.port : port
  })
