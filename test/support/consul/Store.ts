/**
 * The key/value store of a real datacenter as a test's judge sees it: plain requests and raw JSON, none of them
 * through the client that is tested.
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
  /** In decimal, since numbers are not exact. */
  readonly flags?: string
}

export interface Store {
  /** Writes by transactions, which take every key, and by PUT what is too large for one. */
  readonly put: (...entries: ReadonlyArray<Entry>) => Effect.Effect<void>
  readonly delete: (...keys: ReadonlyArray<string>) => Effect.Effect<void>
  /** Each entry under a prefix as Consul's own JSON text, without what belongs to its datacenter. */
  readonly entries: (prefix: string) => Effect.Effect<ReadonlyArray<string>>
  readonly keys: (prefix: string) => Effect.Effect<ReadonlyArray<string>>
  /** The value of a key, as text; undefined where there is none. */
  readonly value: (key: string) => Effect.Effect<string | undefined>
  /** Any other request: its status and text. */
  readonly request: (
    method: "GET" | "PUT" | "DELETE",
    path: string,
    body?: string | Uint8Array
  ) => Effect.Effect<{ readonly status: number; readonly text: string }>
}

const base64 = (value: Uint8Array | string) => Buffer.from(value).toString("base64")

/** More than this does not fit a transaction, in base64 and with a key. */
const largeBytes = 390_000

/** What `list` answers between two entries, or a part of an entry, that is not its content. */
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

/** Reads until `holds`; fails with what it read last after `hung`. */
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

/** Waits until both sides hold the same under their prefixes, where the second is named like the first. */
export const converge = (source: Store, destination: Store, prefix: string) =>
  eventually(
    Effect.all({ source: source.entries(prefix), destination: destination.entries(prefix) }),
    ({ destination, source }) =>
      source.length === destination.length && source.every((entry, i) => entry === destination[i])
  )
