/**
 * Watches a prefix: a stream of its snapshots, one blocking query after another.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type ConsulError, isRetryable, NoLeader } from "./ConsulError.js"
import { ConsulHttp, type Endpoint, type ReadOptions } from "./ConsulHttp.js"
import * as Blocking from "./internal/Blocking.js"
import * as Condition from "./internal/Condition.js"
import type { KeyValues } from "./KeyValue.js"
import * as Schedules from "./Schedules.js"

/**
 * All entries under a prefix at one moment of its datacenter; `index` is that of the prefix (`X-Consul-Index`).
 * `rewound` when that is lower than the one before: the datacenter was restored or rebuilt, or has forgotten a
 * delete, as Consul does after 15 minutes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot extends KeyValues {
  readonly index: number
  readonly rewound: boolean
}

/**
 * `source` names what differs from the client's own endpoint: another datacenter, or an agent of its own.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  readonly source: Partial<Endpoint>
  readonly prefix: string
}

/**
 * @since 0.1.0
 * @category tags
 */
export class Watcher extends Context.Tag("consul-replicate/Watcher")<
  Watcher,
  {
    /**
     * The snapshot of now, never stale, then one for each answer of a blocking query; changes that come faster than
     * they are consumed are seen as one, and an answer without a change is a snapshot like any other. Nothing is read
     * ahead. What passes by itself is waited for, and said once; the stream fails only with what is not worth another
     * try.
     */
    readonly snapshots: (options: WatchOptions) => Stream.Stream<Snapshot, ConsulError>
    /** The snapshot of now, never stale, for whoever doubts another one. Waits as `snapshots` does. */
    readonly confirm: (options: WatchOptions) => Effect.Effect<Snapshot, ConsulError>
  }
>() {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Watcher, never, ConsulHttp> = Layer.effect(
  Watcher,
  Effect.gen(function* () {
    const consul = yield* ConsulHttp

    const reader = Effect.fnUntraced(function* ({ prefix, source }: WatchOptions) {
      const { endpoint, kv } = consul.at(source)
      const place = endpoint.datacenter ?? endpoint.address
      const condition = yield* Condition.make(`the source ${place} answers again`)
      // A query that was blocked when its server lost the leadership is answered with what that server still holds.
      const noLeader = () => new NoLeader({ request: `keys under ${JSON.stringify(prefix)} in ${place}` })
      return (options: ReadOptions) =>
        kv.list(prefix, options).pipe(
          Effect.filterOrFail(({ knownLeader }) => knownLeader, noLeader),
          Condition.watch(condition, `waiting for the source ${place}`)
        )
    })

    const snapshots = (options: WatchOptions): Stream.Stream<Snapshot, ConsulError> =>
      Stream.unwrap(
        Effect.map(reader(options), (read) => {
          // What a chain begins with is compared with nothing older, which would show that it is stale.
          const newer = (index: number) =>
            read(index === 0 ? { consistency: "consistent" } : { index, wait: Schedules.watchWait })
          return Stream.unfoldEffect({ from: 0, last: 0 }, ({ from, last }) =>
            Effect.map(Blocking.ask(from, newer), ({ index, next, value }) =>
              Option.some([
                { ...value, index, rewound: index < last },
                { from: next, last: index }
              ] as const)
            )
          )
        })
      )

    const confirm = Effect.fn("Watcher.confirm")(function* (options: WatchOptions) {
      const read = yield* reader(options)
      const { index, value } = yield* read({ consistency: "consistent" }).pipe(
        Effect.retry({ schedule: Schedules.reconnect, while: isRetryable })
      )
      return { ...value, index, rewound: false }
    })

    return { confirm, snapshots }
  })
)

/**
 * {@link Watcher} as a stream that takes the service from its environment.
 *
 * @since 0.1.0
 * @category accessors
 */
export const snapshots = (options: WatchOptions): Stream.Stream<Snapshot, ConsulError, Watcher> =>
  Stream.unwrap(Effect.map(Watcher, (watcher) => watcher.snapshots(options)))
