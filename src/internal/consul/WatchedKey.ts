/**
 * Reads and watches one key. Retries errors that a retry can fix.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import type { KeyValue } from "../../KeyValue.js"
import * as BlockingQuery from "./BlockingQuery.js"
import type { Answer, Consul } from "./Consul.js"
import * as RequestTimes from "./RequestTimes.js"

type Entry = Option.Option<KeyValue>

export interface WatchedKey {
  /** Never stale. */
  readonly read: Effect.Effect<Entry, ConsulError>
  /** Waits until the entry fulfils a condition, and returns it. */
  readonly awaitUntil: (fulfils: (entry: Entry) => boolean) => Effect.Effect<Entry, ConsulError>
}

/** `asking` runs around each request, except a request whose wait something in between has cut short. */
export const make = (
  { kv }: Consul,
  key: string,
  asking: (
    request: Effect.Effect<Answer<Entry>, ConsulError>
  ) => Effect.Effect<Answer<Entry>, ConsulError> = identity
): WatchedKey => {
  const chains = BlockingQuery.make({ failed: (error) => Effect.ignore(asking(Effect.fail(error))) })
  const read = (chain: BlockingQuery.Sequence, from: BlockingQuery.Cursor) =>
    chain.ask(from, RequestTimes.watchWait, (wait) =>
      Effect.flatMap(
        kv.get(key, BlockingQuery.isNow(wait) ? { consistency: "consistent" } : wait),
        (answer) => asking(Effect.succeed(answer))
      )
    )
  return {
    read: Effect.flatMap(chains, (chain) =>
      Effect.map(read(chain, BlockingQuery.fromScratch), ({ value }) => value)
    ),
    awaitUntil: Effect.fnUntraced(function* (fulfils) {
      const chain = yield* chains
      let { next, value } = yield* read(chain, BlockingQuery.fromScratch)
      while (!fulfils(value)) ({ next, value } = yield* read(chain, next))
      return value
    })
  }
}
