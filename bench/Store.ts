/**
 * The key/value store of one datacenter, for the benchmark. It sends plain requests over persistent connections. The client does
 * little work, so that a measurement shows Consul and the program, and not the client.
 */
import * as Http from "node:http"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Keyspace, keys, operationsEach, transaction, valueOf } from "./Keyspace.js"

export class BenchError extends Data.TaggedError("BenchError")<{ readonly message: string }> {}

interface Answer {
  readonly status: number
  /** The `X-Consul-Index` of the answer. */
  readonly index: string
  readonly body: Buffer
}

export interface Entry {
  /** Undefined if the key does not exist. */
  readonly value: string | undefined
  /** Whether a session holds the key as a lock. */
  readonly locked: boolean
  readonly index: string
}

export interface Store {
  /** Host and port of the agent: `127.0.0.1:<port>`. */
  readonly address: string
  readonly request: (method: "GET" | "PUT" | "DELETE", path: string, body?: string) => Request<Buffer>
  readonly put: (key: string, value: string) => Request<void>
  readonly get: (key: string) => Request<Entry>
  /**
   * Waits, by blocking queries, until `holds`; answers with when it did (ms, of `now`). `after` is an index that the
   * key is known to have. Between two answers it pauses: a key that is not there yet is answered for again with each
   * write of any other, and to ask at once each time would slow down what is timed.
   */
  readonly until: (key: string, holds: (entry: Entry) => boolean, options?: UntilOptions) => Request<number>
  readonly transact: (bodies: ReadonlyArray<string>, inFlight: number) => Request<void>
  /** Writes all keys of a keyspace. */
  readonly fill: (keyspace: Keyspace) => Request<void>
  /** Deletes all keys under a prefix. */
  readonly clear: (prefix: string) => Request<void>
  readonly count: (prefix: string) => Request<number>
  /**
   * The index of the last applied entry of the Raft log. Each write outside of a transaction is an entry, and each transaction is
   * one.
   */
  readonly raftEntries: Request<number>
}

export interface UntilOptions {
  readonly after?: string
  /** In ms, from the time (of `now`). */
  readonly pause?: (at: number) => number
}

export type Request<A> = Effect.Effect<A, BenchError>

/** The time since an arbitrary moment, in ms with fractions. */
export const now: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

/** The number of transactions in flight. It reaches the limit of Consul on a few cores: more would only wait there. */
export const inFlight = 8

/**
 * The pause before the next question: a twentieth of the time that has passed (ms), at most 50 ms. The measured time is too long
 * by up to the pause, and by half of it on average. More questions would slow down the program.
 */
export const twentieth = (waited: number): number => Math.min(waited / 20, 50)

export const path = (key: string): string => `/v1/kv/${key.split("/").map(encodeURIComponent).join("/")}`

const exchange = (agent: Http.Agent, address: string, method: string, target: string, body?: string) =>
  Effect.async<Answer, BenchError>((resume) => {
    const failed = ({ message }: Error) =>
      resume(Effect.fail(new BenchError({ message: `${method} ${target.slice(0, 200)}: ${message}` })))
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) }
    const request = Http.request(`http://${address}${target}`, { agent, method, headers }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", failed)
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            index: String(response.headers["x-consul-index"] ?? "0"),
            body: Buffer.concat(chunks)
          })
        )
      )
    })
    request.on("error", failed)
    request.end(body)
    return Effect.sync(() => request.destroy())
  })

const parseEntry = ({ body, index, status }: Answer): Entry => {
  if (status === 404) return { value: undefined, locked: false, index }
  const [entry] = JSON.parse(body.toString()) as ReadonlyArray<{ Value: string | null; Session?: string }>
  return {
    value: Buffer.from(entry?.Value ?? "", "base64").toString(),
    locked: entry?.Session !== undefined,
    index
  }
}

export const make = Effect.fnUntraced(function* (
  address: string
): Effect.fn.Return<Store, never, Scope.Scope> {
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => new Http.Agent({ keepAlive: true })),
    (agent) => Effect.sync(() => agent.destroy())
  )

  const send = (method: string, target: string, body?: string) =>
    exchange(agent, address, method, target, body).pipe(
      Effect.filterOrElse(
        ({ status }) => status === 200 || (status === 404 && method === "GET"),
        ({ body, status }) =>
          new BenchError({ message: `${method} ${target}: ${status} ${body.toString().slice(0, 500)}` })
      )
    )
  const request: Store["request"] = (method, target, body) =>
    Effect.map(send(method, target, body), ({ body }) => body)

  const put: Store["put"] = (key, value) => Effect.asVoid(send("PUT", path(key), value))

  const until: Store["until"] = Effect.fnUntraced(function* (key, holds, { after = "0", pause } = {}) {
    let index = after
    for (;;) {
      const entry = parseEntry(yield* send("GET", `${path(key)}?index=${index}&wait=60s`))
      const at = yield* now
      if (holds(entry)) return at
      index = entry.index
      if (pause !== undefined) yield* Effect.sleep(pause(at))
    }
  })

  const transact: Store["transact"] = (bodies, concurrency) =>
    Effect.forEach(bodies, (body) => send("PUT", "/v1/txn", body), { concurrency, discard: true })

  return {
    address,
    request,
    put,
    get: (key) => Effect.map(send("GET", path(key)), parseEntry),
    until,
    transact,
    fill: (keyspace) =>
      Effect.forEach(
        Arr.chunksOf(keys(keyspace), operationsEach),
        (chunk) => send("PUT", "/v1/txn", transaction(chunk.map((key) => [key, valueOf(key)]))),
        { concurrency: inFlight, discard: true }
      ),
    clear: (prefix) => Effect.asVoid(send("DELETE", `${path(prefix)}?recurse`)),
    count: (prefix) =>
      Effect.map(send("GET", `${path(prefix)}?keys`), ({ body, status }) =>
        status === 404 ? 0 : (JSON.parse(body.toString()) as ReadonlyArray<string>).length
      ),
    raftEntries: Effect.map(request("GET", "/v1/agent/self"), (body) =>
      Number((JSON.parse(body.toString()) as AgentSelf).Stats.raft.applied_index)
    )
  }
})

interface AgentSelf {
  readonly Stats: { readonly raft: { readonly applied_index: string } }
}
