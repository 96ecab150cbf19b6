/**
 * The writes that end a blocking query, above all of a query on an absent key or prefix, which depends on Consul's radix tree.
 */
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import type { Side } from "./ConformanceSide.js"

export interface Scenario {
  readonly keys: ReadonlyArray<string>
  /** A path with its query: a key, or a prefix with `?recurse` or `?keys`. */
  readonly watched: string
  /** Method and path of a write while the query blocks. */
  readonly change: readonly [method: string, path: string]
}

const key = fc.oneof(
  fc.stringMatching(/^[ab]{1,4}$/),
  fc.stringMatching(/^[ab]{1,2}\/[ab]{1,2}$/),
  fc.constantFrom("abc", "abd", "ab/", "c")
)

const prefix = fc.oneof(key, fc.stringMatching(/^[ab]{1,2}\/$/))

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  keys: fc.uniqueArray(key, { minLength: 1, maxLength: 6, size: "max" }),
  watched: fc.oneof(
    key,
    fc.tuple(prefix, fc.constantFrom("?recurse", "?keys")).map(([prefix, kind]) => prefix + kind)
  ),
  change: fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constant("PUT"), key) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("DELETE"), key) },
    {
      weight: 1,
      arbitrary: fc.tuple(
        fc.constant("DELETE"),
        prefix.map((prefix) => `${prefix}?recurse`)
      )
    }
  )
})

/**
 * The times in ms after which all queries block, and after which all writes have arrived. A client cannot see when a server
 * begins to block. If the sides differ, both play again with the next time, which is long enough for a slower machine.
 */
export const moments: ReadonlyArray<number> = [250, 1_000, 5_000, 25_000]

/**
 * Plays scenarios on one side, each under its own prefix. Returns the status of each answer, and whether its index is newer. All
 * queries begin before the first write, because every write moves the index of absent keys.
 */
export const play = (
  side: Side,
  root: string,
  scenarios: ReadonlyArray<Scenario>,
  moment: number
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const send = (i: number, method: string, target: string, body = "") =>
      side.send({ method, target: `/v1/kv/${root}${i}/${target}`, body: ByteString.toBytes(body) })
    const read = (i: number, target: string) =>
      Effect.map(send(i, "GET", target), ({ headers, status }) => ({
        status,
        index: Number(headers.find(([name]) => name === "X-Consul-Index")?.[1])
      }))
    for (const [i, { keys }] of scenarios.entries()) {
      for (const key of ["0", ...keys]) yield* send(i, "PUT", key, "before")
    }
    const waiting = yield* Effect.forEach(scenarios, ({ watched }, i) =>
      Effect.gen(function* () {
        const before = yield* read(i, watched)
        const parameters = `index=${before.index}&wait=${2 * moment}ms`
        const after = read(i, `${watched}${watched.includes("?") ? "&" : "?"}${parameters}`)
        const outcome = ({ index, status }: Effect.Effect.Success<typeof after>) =>
          `${status}, ${index > before.index ? "woken" : "not woken"}`
        return yield* Effect.fork(Effect.map(after, outcome))
      })
    )
    yield* Effect.sleep(moment)
    for (const [i, { change }] of scenarios.entries()) yield* send(i, change[0], change[1], "after")
    return yield* Fiber.join(Fiber.all(waiting))
  })
