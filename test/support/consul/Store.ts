/**
 * The key/value store of a real datacenter, for the checks of tests. It sends plain requests and reads raw JSON, and does not use
 * the client under test.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { hung, live } from "../../program/Program.js"

export interface Entry {
  readonly key: string
  readonly value?: Uint8Array | string
  /** The flags in decimal: a number could not represent them exactly. */
  readonly flags?: string
}

export interface Store {
  /** Writes keys in transactions, which accept every key. A value that is too large for a transaction is written with PUT. */
  readonly put: (...entries: ReadonlyArray<Entry>) => Effect.Effect<void>
  readonly delete: (...keys: ReadonlyArray<string>) => Effect.Effect<void>
  /** The entries under a prefix as Consul's JSON text, without indexes, locks and sessions, which differ between datacenters. */
  readonly entries: (prefix: string) => Effect.Effect<ReadonlyArray<string>>
  readonly keys: (prefix: string) => Effect.Effect<ReadonlyArray<string>>
  /** The value of a key as text. Undefined if the key does not exist. */
  readonly value: (key: string) => Effect.Effect<string | undefined>
  /** Sends any other request. Returns the status and the text of the answer. */
  readonly request: (
    method: "GET" | "PUT" | "DELETE",
    path: string,
    body?: string | Uint8Array
  ) => Effect.Effect<{ readonly status: number; readonly text: string }>
}

const base64 = (value: Uint8Array | string) => Buffer.from(value).toString("base64")

/** A value of more bytes does not fit a transaction, in base64 and with its key. */
const largeBytes = 390_000

/** The parts of an answer to `list` that are not the content of an entry. */
const ofItsDatacenter = [
  /"LockIndex":\d+,/,
  /,"Session":"[^"]*"/,
  /,"CreateIndex":\d+,"ModifyIndex":\d+(?=\}$)/
]

const split = (list: string): ReadonlyArray<string> =>
  list === ""
    ? []
    : list
        .trim()
        .slice(1, -1)
        .split(/(?<="ModifyIndex":\d+\}),(?=\{"LockIndex")/)
        .map((entry) => ofItsDatacenter.reduce((text, part) => text.replace(part, ""), entry))

export const at = (address: string): Store => {
  const request: Store["request"] = (method, path, body) =>
    HttpClient.execute(
      HttpClientRequest.make(method)(`http://${address}${path}`).pipe((request) =>
        body === undefined
          ? request
          : typeof body === "string"
            ? HttpClientRequest.bodyText(request, body)
            : HttpClientRequest.bodyUint8Array(request, body)
      )
    ).pipe(
      Effect.flatMap(({ status, text }) => Effect.map(text, (text) => ({ status, text }))),
      Effect.provide(NodeHttpClient.layer),
      Effect.orDie,
      live
    )

  const succeed = (...args: Parameters<Store["request"]>) =>
    Effect.filterOrDieMessage(
      request(...args),
      ({ status }) => status === 200,
      `Consul refused ${args[0]} ${args[1]}`
    )

  const transact = (operations: ReadonlyArray<string>) =>
    Effect.forEach(
      Array.from({ length: Math.ceil(operations.length / 64) }, (_, i) =>
        operations.slice(i * 64, (i + 1) * 64)
      ),
      (batch) =>
        succeed("PUT", "/v1/txn", `[${batch.map((operation) => `{"KV":{${operation}}}`).join(",")}]`),
      { discard: true }
    )

  const isLarge = ({ value }: Entry) => value !== undefined && value.length > largeBytes

  return {
    request,
    put: (...entries) =>
      Effect.zipRight(
        Effect.forEach(entries.filter(isLarge), ({ flags = "0", key, value }) =>
          succeed("PUT", `/v1/kv/${encodeURI(key)}?flags=${flags}`, value)
        ),
        transact(
          entries
            .filter((entry) => !isLarge(entry))
            .map(
              ({ flags = "0", key, value = "" }) =>
                `"Verb":"set","Key":${JSON.stringify(key)},"Value":"${base64(value)}","Flags":${flags}`
            )
        )
      ),
    delete: (...keys) => transact(keys.map((key) => `"Verb":"delete","Key":${JSON.stringify(key)}`)),
    entries: (prefix) =>
      Effect.map(request("GET", `/v1/kv/${encodeURI(prefix)}?recurse`), ({ text }) => split(text)),
    keys: (prefix) =>
      Effect.map(request("GET", `/v1/kv/${encodeURI(prefix)}?keys`), ({ text }) =>
        text === "" ? [] : (JSON.parse(text) as ReadonlyArray<string>)
      ),
    value: (key) =>
      Effect.map(request("GET", `/v1/kv/${encodeURI(key)}?raw`), ({ status, text }) =>
        status === 200 ? text : undefined
      )
  }
}

/** Reads until `holds`. Fails with the last answer after `hung`. */
export const eventually = <A>(read: Effect.Effect<A>, holds: (a: A) => boolean): Effect.Effect<A> =>
  Effect.suspend(() => {
    let last: A | undefined
    return Effect.tap(read, (a) => Effect.sync(() => (last = a))).pipe(
      Effect.filterOrFail(holds),
      Effect.retry(Schedule.spaced("20 millis")),
      Effect.timeout(hung),
      Effect.orElse(() =>
        Effect.dieMessage(`still not so after ${hung}: ${JSON.stringify(last)?.slice(0, 2000)}`)
      ),
      live
    )
  })

/** Waits until both sides have equal entries under their prefixes. The second prefix is the first unless given. */
export const converge = (source: Store, destination: Store, prefix: string) =>
  eventually(
    Effect.all({ source: source.entries(prefix), destination: destination.entries(prefix) }),
    ({ destination, source }) =>
      source.length === destination.length && source.every((entry, i) => entry === destination[i])
  )
