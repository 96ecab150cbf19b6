/**
 * Ports that no other test file uses while a scope is open.
 */
import * as Net from "node:net"
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"

export class PortTaken extends Data.TaggedError("PortTaken")<{ readonly message: string }> {}

const blockSize = 100
const lowest = 10_000
/**
 * The ports are below those of outgoing connections (from 32768 on Linux, from 49152 on macOS). Otherwise a connection could
 * occupy the port of a server that restarts.
 */
const highest = 32_000

/**
 * The first of `count` (at most 99) successive free ports on 127.0.0.1. Until the scope closes, this process listens on the port
 * before them. So other test files see that the ports are reserved, also while nothing listens on them.
 */
export const take = Effect.fnUntraced(function* (count: number) {
  const block = yield* Random.nextIntBetween(lowest / blockSize, highest / blockSize)
  const lock = block * blockSize
  yield* listen(lock)
  yield* Effect.scoped(Effect.forEach(Arr.range(lock + 1, lock + count), listen))
  return lock + 1
})

const listen = (port: number): Effect.Effect<Net.Server, PortTaken, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Net.Server, PortTaken>((resume) => {
      const server = Net.createServer()
      server.once("error", ({ message }) => resume(Effect.fail(new PortTaken({ message }))))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  )
