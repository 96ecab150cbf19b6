/**
 * A TCP proxy before an agent. It can refuse connections, or deliver nothing.
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"

export interface Wire {
  /** The address of the proxy, which a program uses as its agent's. */
  readonly address: string
  /** Breaks all connections and refuses new ones, as a port on which nothing listens. */
  readonly refuse: Effect.Effect<void>
  /** Delivers nothing in either direction and closes no connection, as a firewall that drops packets. */
  readonly silence: Effect.Effect<void>
  /** Delivers the bytes that were sent during the silence. */
  readonly heal: Effect.Effect<void>
}

const split = (address: string): { readonly host: string; readonly port: number } => {
  const [host = "", port] = address.split(":")
  return { host, port: Number(port) }
}

/** Listens until the scope closes. */
export const make = Effect.fnUntraced(function* (upstream: string) {
  const sockets = new Set<Net.Socket>()
  let silent = false

  const keep = (socket: Net.Socket, other: Net.Socket) => {
    sockets.add(socket)
    socket.on("data", (data) => void other.write(data))
    socket.on("end", () => other.end())
    // Its close follows.
    socket.on("error", () => undefined)
    socket.on("close", () => {
      sockets.delete(socket)
      // A connection that was closed during the silence stays open on this side until the silence ends.
      if (!silent) other.destroy()
    })
    if (silent) socket.pause()
  }

  const server = Net.createServer({ allowHalfOpen: true }, (client) => {
    const agent = Net.connect({ ...split(upstream), allowHalfOpen: true })
    keep(client, agent)
    keep(agent, client)
  })
  const listen = (port: number) =>
    Effect.async<void>((resume) => void server.listen(port, "127.0.0.1", () => resume(Effect.void)))
  const breakAll = Effect.sync(() => {
    for (const socket of sockets) socket.destroy()
  })
  const refuse = Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    for (const socket of sockets) socket.destroy()
  })

  yield* listen(0)
  const bound = server.address()
  const port = typeof bound === "object" && bound !== null ? bound.port : 0
  yield* Effect.addFinalizer(() => (server.listening ? refuse : breakAll))

  return {
    address: `127.0.0.1:${port}`,
    refuse,
    silence: Effect.sync(() => {
      silent = true
      for (const socket of sockets) socket.pause()
    }),
    heal: Effect.gen(function* () {
      silent = false
      for (const socket of sockets) socket.resume()
      if (!server.listening) yield* listen(port)
    })
  } satisfies Wire
})
