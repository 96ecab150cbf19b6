/**
 * What a watch asks its source for. An answer of servers without a leader is none.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type ConsulError, isRetryable, NoLeader } from "../../ConsulError.js"
import type {
  Answer,
  Consul,
  Endpoint,
  FoldOptions,
  KeysOptions,
  Presence,
  ReadOptions
} from "../../ConsulHttp.js"
import type { KeyRange } from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import * as Schedules from "../../Schedules.js"
import * as Condition from "../Condition.js"

/** For one fiber: it waits for the source alone, and says with the others that it does. */
export interface Source {
  readonly read: (range: KeyRange, options: ReadOptions) => Effect.Effect<Answer<KeyValues>, ConsulError>
  /** What is in a range as soon as that is newer than `index`; none where it is not when the wait is over. */
  readonly newer: (
    range: KeyRange,
    options: ReadOptions & { readonly index: number }
  ) => Effect.Effect<Answer<Option.Option<KeyValues>>, ConsulError>
  /** Whether there are keys, and their index. */
  readonly moved: (prefix: string, options: FoldOptions) => Effect.Effect<Answer<boolean>, ConsulError>
  readonly presence: (keys: ReadonlyArray<string>) => Effect.Effect<Presence, ConsulError>
  readonly names: (
    prefix: string,
    options: KeysOptions
  ) => Effect.Effect<Answer<ReadonlyArray<string>>, ConsulError>
}

/** Never stale. */
export const current = { consistency: "consistent" } as const

/** Again and again while what fails can pass. */
export const retrying = <A, R>(ask: Effect.Effect<A, ConsulError, R>): Effect.Effect<A, ConsulError, R> =>
  Effect.retry(ask, { schedule: Schedules.reconnect, while: isRetryable })

/** Makes sources of which each has its own troubles, said as one. */
export const make = (
  consul: Consul,
  at: Partial<Endpoint>
): Effect.Effect<Effect.Effect<Source, never, Scope.Scope>> => {
  const { endpoint, kv } = consul.at(at)
  const place = endpoint.datacenter ?? endpoint.address
  return Effect.map(Condition.make(`the source ${place} answers again`), (condition) =>
    Effect.map(Condition.shared(condition), (condition): Source => {
      // A query that was blocked when its server lost the leadership is answered with what that server still holds.
      const answered = <A>(prefix: string, answer: Effect.Effect<Answer<A>, ConsulError>) =>
        answer.pipe(
          Effect.filterOrFail(
            ({ knownLeader }) => knownLeader,
            () => new NoLeader({ request: `keys under ${JSON.stringify(prefix)} in ${place}` })
          ),
          Condition.watch(condition, `waiting for the source ${place}`)
        )
      return {
        read: ({ exact, prefix }, options) =>
          answered(prefix, exact ? kv.entry(prefix, options) : kv.list(prefix, options)),
        newer: ({ exact, prefix }, options) =>
          answered(
            prefix,
            exact
              ? Effect.map(kv.entry(prefix, options), (answer) => ({
                  ...answer,
                  value: Option.some(answer.value)
                }))
              : kv.newer(prefix, options)
          ),
        presence: (keys) =>
          kv.presence(keys).pipe(Condition.watch(condition, `waiting for the source ${place}`)),
        moved: (prefix, options) => answered(prefix, kv.moved(prefix, options)),
        names: (prefix, options) => answered(prefix, kv.keys(prefix, options))
      }
    })
  )
}
