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
import type { ConsulError } from "./ConsulError.js"
import { type Answer, ConsulHttp, type Endpoint } from "./ConsulHttp.js"
import * as Blocking from "./internal/Blocking.js"
import * as Condition from "./internal/Condition.js"
import { type KeyValues, sameContent } from "./KeyValue.js"
import * as Schedules from "./Schedules.js"

/**
 * All entries under a prefix at one moment of its datacenter; `index` is that of the prefix (`X-Consul-Index`).
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot extends KeyValues {
  readonly index: number
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
     * The snapshot of now, then one for each change; changes that come faster than they are consumed are seen as
     * one, and a snapshot with the same keys, values and flags as the one before is not emitted. Nothing is read
     * ahead. What passes by itself is waited for, and said once; the stream fails only with what is not worth
     * another try.
     */
    readonly snapshots: (options: WatchOptions) => Stream.Stream<Snapshot, ConsulError>
  }
>() {}

const sameSnapshot = (a: Snapshot, b: Snapshot): boolean =>
  a.entries.length === b.entries.length &&
  a.entries.every((entry, i) => {
    const other = b.entries[i]
    return other !== undefined && sameContent(entry, other)
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Watcher, never, ConsulHttp> = Layer.effect(
  Watcher,
  Effect.gen(function* () {
    const consul = yield* ConsulHttp

    const snapshots = ({ prefix, source }: WatchOptions): Stream.Stream<Snapshot, ConsulError> =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { endpoint, kv } = consul.at(source)
          const place = endpoint.datacenter ?? endpoint.address
          const condition = yield* Condition.make(`the source ${place} answers again`)

          const read = (index: number): Effect.Effect<Answer<KeyValues>, ConsulError> =>
            kv
              .list(prefix, index === 0 ? {} : { index, wait: Schedules.watchWait })
              .pipe(Condition.watch(condition, `waiting for the source ${place}`))

          return Stream.unfoldEffect(0, (index) =>
            Effect.map(Blocking.ask(index, read), ({ index, next, value }) =>
              Option.some([{ ...value, index }, next] as const)
            )
          ).pipe(Stream.changesWith(sameSnapshot))
        })
      )

    return { snapshots }
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
