/** The requests of a watch to its source. An answer of a server without a leader counts as a failure. */
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
import * as BlockingQuery from "../consul/BlockingQuery.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import type * as WaitLimit from "../consul/WaitLimit.js"
import * as Trouble from "../report/Trouble.js"
import * as EndpointName from "./EndpointName.js"
import type { QueryBudget } from "./QueryBudget.js"

/** Requests about the keys in a range. */
export interface Reads {
  /** The entries of a range. */
  readonly read: (range: KeyRange, options: ReadOptions) => Effect.Effect<Answer<KeyValues>, ConsulError>
  /** The entries of a range as soon as they are newer than `index`; none if they are not when the wait is over. */
  readonly newer: (
    range: KeyRange,
    options: ReadOptions & { readonly index: number }
  ) => Effect.Effect<Answer<Option.Option<KeyValues>>, ConsulError>
  /** Whether there are keys under the prefix. The index of the answer is theirs. */
  readonly moved: (prefix: string, options: FoldOptions) => Effect.Effect<Answer<boolean>, ConsulError>
  /** The names of all keys under the prefix. */
  readonly names: (
    prefix: string,
    options: KeysOptions
  ) => Effect.Effect<Answer<ReadonlyArray<string>>, ConsulError>
}

/** The requests of one fiber. All fibers that wait for the same source report one trouble together. */
export interface SourceReader extends Reads {
  /** Which keys exist, asked for by name. */
  readonly presence: (keys: ReadonlyArray<string>) => Effect.Effect<Presence, ConsulError>
  /** Whether a path can carry a name, as far as the answers of the source have shown. */
  readonly isNameable: (name: string) => boolean
  /** Reports that a request failed. An answer that is too large is no failure of the source. */
  readonly failed: (error: ConsulError) => Effect.Effect<void>
  /** Reports that the source has answered a request. */
  readonly answered: Effect.Effect<void>
}

/** The options of a read that is never stale. */
export const current = { consistency: "consistent" } as const

/** Retries transient errors without end. Reports trouble, and its end. */
export const retrying =
  ({ answered, failed }: Pick<SourceReader, "answered" | "failed">) =>
  <A, R>(ask: Effect.Effect<A, ConsulError, R>): Effect.Effect<A, ConsulError, R> =>
    ask.pipe(
      Effect.tapError(failed),
      Effect.zipLeft(answered),
      Effect.retry({ schedule: RequestTimes.reconnect, while: isRetryable })
    )

/** A chain of queries that reports failures as those of the source, and whose queries wait no longer than `limit`. */
export const chain = (
  { answered, failed }: SourceReader,
  limit: WaitLimit.WaitLimit,
  restarting: Effect.Effect<void> = Effect.void
): Effect.Effect<BlockingQuery.Sequence> => BlockingQuery.make({ answered, failed, limit, restarting })

/** Makes an effect that makes a reader for one fiber. Refused connections are reported by `budget`. */
export const make = (
  consul: Consul,
  at: Partial<Endpoint>,
  budget: Pick<QueryBudget, "refused">
): Effect.Effect<Effect.Effect<SourceReader, never, Scope.Scope>, never, Scope.Scope> => {
  const { endpoint, kv } = consul.at(at)
  const place = EndpointName.nameOf(consul.endpoint, endpoint)
  return Effect.map(Trouble.shared({ _tag: "Source", source: place }), (member) =>
    Effect.gen(function* (): Effect.fn.Return<SourceReader, never, Scope.Scope> {
      const own = yield* member
      // A server that lost the leadership answers its blocked queries with its own, old data.
      const led = <A>(prefix: string, answer: Effect.Effect<Answer<A>, ConsulError>) =>
        Effect.filterOrFail(
          answer,
          ({ knownLeader }) => knownLeader,
          () => new NoLeader({ request: `keys under ${JSON.stringify(prefix)} in ${place}` })
        )
      const fail = (error: ConsulError) =>
        error._tag === "TooManyConnections"
          ? Effect.zipRight(
              own.mention({ cause: error._tag, message: error.message }),
              budget.refused(error.message)
            )
          : Trouble.report(own, error)
      return {
        read: ({ exact, prefix }, options) =>
          led(prefix, exact ? kv.entry(prefix, options) : kv.list(prefix, options)),
        newer: ({ exact, prefix }, options) =>
          led(
            prefix,
            exact
              ? Effect.map(kv.entry(prefix, options), (answer) => ({
                  ...answer,
                  value: Option.some(answer.value)
                }))
              : kv.newer(prefix, options)
          ),
        moved: (prefix, options) => led(prefix, kv.moved(prefix, options)),
        names: (prefix, options) => led(prefix, kv.keys(prefix, options)),
        presence: kv.presence,
        isNameable: kv.isNameable,
        failed: (error) =>
          error._tag === "AnswerTooLarge" ? Effect.void : Effect.suspend(() => fail(error)),
        answered: own.resolve
      }
    })
  )
}
