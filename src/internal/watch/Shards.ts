/**
 * The shards of a layout while they are watched, each by a fiber with a blocking query of its own.
 *
 * A shard of few keys asks whether they have moved, and then reads them; while they go on changing it asks for all of
 * them, and has each change with the answer. One of many asks for their names, which is answered as soon as anything has
 * changed; then it looks which of its parts has moved, by their indexes, and reads that.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConsulError } from "../../ConsulError.js"
import type { Answer } from "../../ConsulHttp.js"
import * as KeyRange from "../../KeyRange.js"
import type { KeyValues } from "../../KeyValue.js"
import * as Schedules from "../../Schedules.js"
import * as Blocking from "../Blocking.js"
import { isNameable } from "../consul/keyPath.js"
import type { Shard } from "../Layout.js"
import * as Turns from "../Turns.js"
import type { Parked } from "./Parked.js"
import { current, retrying, type Source } from "./Source.js"

/** What was read of a range; `rewound` when its index is lower than before, `isCertain` when it cannot be stale. */
export interface Found extends KeyValues {
  readonly range: KeyRange.KeyRange
  readonly index: number
  readonly rewound: boolean
  readonly isCertain: boolean
}

export interface Shards {
  /** Watches these, and no others any more; those that were watched already are left alone. */
  readonly watch: (shards: ReadonlyArray<Shard>) => Effect.Effect<void>
  /** Waits until each shard has said what was there when it began to be watched. */
  readonly begun: Effect.Effect<void>
  /**
   * Asks whether each shard has said everything that has changed by now, and waits for those that have not; one that
   * does not say it is watched anew.
   */
  readonly vouch: Effect.Effect<void, ConsulError>
  /**
   * Looks at ranges that nobody watches, and says which of them have changed since the last look. It is known of each
   * that nothing had until `since`.
   */
  readonly look: (
    ranges: ReadonlyArray<KeyRange.KeyRange>,
    since: Blocking.From
  ) => Effect.Effect<void, ConsulError>
  /**
   * From now on each shard waits for what is newer than what it said. Until then none has a query that blocks: one is
   * not to be taken back, and whoever wants to know only what there is leaves none behind.
   */
  readonly wait: Effect.Effect<void>
  /** How often a shard has said something. */
  readonly activity: Effect.Effect<number>
  /** Whether a shard has started over since then, because the source may have another history. */
  readonly haveStartedOver: (since: Blocking.From) => Effect.Effect<boolean>
  /** Fails when one of them does. */
  readonly failure: Effect.Effect<never, ConsulError>
}

interface Running {
  readonly shard: Shard
  readonly scope: Scope.CloseableScope
  /** The index up to which everything it said has been dealt with; 0 before it has begun. */
  readonly said: SubscriptionRef.SubscriptionRef<number>
  /** Whether it waits for Consul, and not for whoever deals with what it said. */
  isAsking: boolean
}

/** Reads at once, where no query blocks: while what some of them found is dealt with, others find more. */
const readsAtOnce = 8

/** Parts of a shard that has changed are asked so many at once: all together would keep what they find waiting. */
const examinedAtOnce = 4

/** Shards are vouched for so many at once, beside the reads, so that no change waits behind all of them. */
const vouchesAtOnce = 4

const idOf = ({ parts, range }: Shard): string =>
  JSON.stringify([KeyRange.id(range), ...(parts.length === 1 ? [] : parts.map(KeyRange.id))])

export const make = (
  source: Effect.Effect<Source, never, Scope.Scope>,
  parked: Parked,
  say: (found: Found) => Effect.Effect<void>
): Effect.Effect<Shards, never, Scope.Scope> =>
  Effect.gen(function* () {
    const running = new Map<string, Running>()
    const parent = yield* Effect.scope
    const reads = Turns.make(readsAtOnce)
    const vouches = Turns.make(vouchesAtOnce)
    const failed = yield* Deferred.make<never, ConsulError>()
    const own = yield* source
    const looked = new Map<string, number>()
    const waitingSince = yield* Deferred.make<number>()
    let activity = 0
    /** When a shard was last told that its keys have another history: indexes of before say nothing. */
    let rewoundAt = Number.NEGATIVE_INFINITY
    /** When one last began anew for whatever reason: that is enough to look again at what has no query, which is little. */
    let startedOverAt = Number.NEGATIVE_INFINITY

    const isTrusted = (since: Blocking.From) =>
      since.at < rewoundAt ? Effect.succeed(false) : Blocking.isTrusted(since)

    /** How long the next query may block, as soon as one may. */
    const patience = Effect.gen(function* () {
      const since = yield* Deferred.await(waitingSince)
      return Schedules.partWait(Duration.millis((yield* Clock.currentTimeMillis) - since))
    })

    const tell = (found: Found) =>
      Effect.suspend(() => {
        activity += 1
        return say(found)
      })

    /**
     * Reads ranges unless their index is the one in `known`, where it is known that nothing had changed until `since`, and
     * says what is there. Never stale. Answers whether there was something to say.
     */
    const examining = (
      { moved, read }: Pick<Source, "moved" | "read">,
      known: Map<string, number>,
      since: Blocking.From
    ) => {
      let trusted = since
      return (range: KeyRange.KeyRange) =>
        Effect.gen(function* () {
          const { exact, prefix } = range
          const id = KeyRange.id(range)
          const before = (yield* isTrusted(trusted)) ? known.get(id) : undefined
          // The index of one key alone is not that of the prefix, unless no path can name it.
          if (before !== undefined && !(exact && isNameable(prefix))) {
            const { index } = yield* moved(prefix, current)
            if (index === before) return false
          }
          const { index, value } = yield* read(range, current)
          if (index === before) return false
          yield* tell({ ...value, range, index, rewound: index < (before ?? 0), isCertain: true })
          known.set(id, index)
          return true
        }).pipe(
          // It may have been a restart with older data.
          Effect.tapError(() =>
            Effect.map(Clock.currentTimeMillis, (now) => {
              trusted = Blocking.start
              startedOverAt = now
            })
          ),
          retrying,
          reads
        )
    }

    /** A query that blocks: the one that is left from before, where there is one. */
    const blocking = <A>(
      kind: string,
      range: KeyRange.KeyRange,
      wait: Blocking.Wait,
      query: (wait: Blocking.Wait) => Effect.Effect<Answer<A>, ConsulError>
    ) => parked.ask({ kind, of: KeyRange.id(range) }, wait, query(wait))

    /**
     * Asks for all keys of a range. Of one that has been quiet for a while, only whether it has moved: an answer without
     * anything new holds all of it too, and is a load on both sides; the first change can wait the 3 ms until it is read.
     */
    const askingAll = (range: KeyRange.KeyRange, { moved, newer, read }: Source) => {
      const now = Effect.map(read(range, current), ({ value, ...answer }) => ({
        ...answer,
        value: Option.some(value)
      }))
      let isQuiet = !range.exact
      return (wait: Blocking.Wait): Effect.Effect<Blocking.Reply<Option.Option<KeyValues>>, ConsulError> => {
        const { index } = wait
        if (index === 0) return now
        const answer = isQuiet
          ? Effect.flatMap(
              blocking("moved", range, wait, (wait) => moved(range.prefix, wait)),
              (answer) => (answer.index === index ? Effect.succeed({ ...answer, value: Option.none() }) : now)
            )
          : blocking("keys", range, wait, (wait) => newer(range, wait))
        return Effect.tap(answer, (answer) => {
          isQuiet = answer.index === index && !range.exact
        })
      }
    }

    /**
     * Asks on and on, `throttle`d where that does not block, and deals with every answer that may hold something new
     * before the next question. `last` is the index of the answer before, and nothing had changed until `since`.
     */
    const chain = <A>(
      one: Running,
      throttle: <B>(step: Effect.Effect<B, ConsulError>) => Effect.Effect<B, ConsulError>,
      query: (wait: Blocking.Wait) => Effect.Effect<Blocking.Reply<A>, ConsulError>,
      use: (
        link: Blocking.Link<A>,
        before: { readonly last: number; readonly since: Blocking.From }
      ) => Effect.Effect<void, ConsulError>
    ) =>
      Effect.gen(function* () {
        const links = yield* Blocking.make
        let from = Blocking.start
        let last = 0
        for (;;) {
          one.isAsking = true
          const isBegun = from.index > 0
          const wait = isBegun ? yield* patience : Duration.zero
          const since = from
          const step = Effect.gen(function* () {
            const link = yield* links.ask(from, wait, query)
            one.isAsking = false
            if (link.index !== last || link.isFresh) {
              yield* use(link, { last, since: link.isFresh ? Blocking.start : since })
            }
            const isRewound = link.next.index === 0 || link.index < last
            if (isRewound) rewoundAt = yield* Clock.currentTimeMillis
            if (isRewound || (link.isFresh && last > 0)) startedOverAt = yield* Clock.currentTimeMillis
            return link
          })
          const link = yield* isBegun ? step : throttle(step)
          yield* SubscriptionRef.set(one.said, link.index)
          last = link.index
          from = link.next
        }
      })

    const follow = (one: Running, source: Source) => {
      const { parts, range } = one.shard
      if (parts.length <= 1) {
        return chain(one, reads, askingAll(range, source), ({ index, isFresh, value }, { last }) =>
          Option.match(value, {
            onNone: () => Effect.void,
            onSome: (all) => tell({ ...all, range, index, rewound: index < last, isCertain: isFresh })
          })
        )
      }
      const known = new Map<string, number>()
      let order = parts
      return chain(
        one,
        identity,
        (wait) =>
          wait.index === 0
            ? source.moved(range.prefix, current)
            : blocking("moved", range, wait, (wait) => source.moved(range.prefix, wait)),
        ({ isFresh }, { since }) =>
          Effect.gen(function* () {
            const examine = examining(source, known, since)
            const changed = new Set<KeyRange.KeyRange>()
            for (const some of Arr.chunksOf(order, isFresh ? parts.length : examinedAtOnce)) {
              const told = yield* Effect.forEach(some, examine, { concurrency: "unbounded" })
              for (const [i, range] of some.entries()) if (told[i] === true) changed.add(range)
            }
            // What has changed is likely to change again.
            order = [...changed, ...order.filter((range) => !changed.has(range))]
          })
      )
    }

    const start = (shard: Shard) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(parent, ExecutionStrategy.parallel)
        const one: Running = { shard, scope, said: yield* SubscriptionRef.make(0), isAsking: false }
        running.set(idOf(shard), one)
        yield* Effect.flatMap(source, (own) => follow(one, own)).pipe(
          Effect.catchAllCause((cause) => Deferred.failCause(failed, cause)),
          Scope.extend(scope),
          Effect.forkIn(scope)
        )
      })

    const stop = (id: string, { scope }: Running) =>
      // Interrupted while it is closed, a scope is closed and what was in it goes on.
      Effect.zipRight(
        Effect.sync(() => running.delete(id)),
        Scope.close(scope, Exit.void)
      ).pipe(Effect.uninterruptible)

    const hasReached = ({ said }: Running, index: number) =>
      Effect.map(SubscriptionRef.get(said), (now) => now >= index)

    /** Most have: a stream and a time limit for each of them would take longer than all questions. */
    const reaches = (one: Running, index: number) =>
      Effect.unlessEffect(
        one.said.changes.pipe(
          Stream.filter((now) => now >= index),
          Stream.runHead
        ),
        hasReached(one, index)
      )

    const begun = Effect.suspend(() =>
      Effect.forEach(running.values(), (one) => reaches(one, 1), { discard: true })
    )

    const vouchFor = (id: string, one: Running) =>
      Effect.gen(function* () {
        const { range } = one.shard
        const before = yield* SubscriptionRef.get(one.said)
        const ask: Effect.Effect<Answer<unknown>, ConsulError> = range.exact
          ? own.read(range, current)
          : own.moved(range.prefix, current)
        const { index } = yield* vouches(retrying(ask))
        const saysIt = Effect.timeoutOption(reaches(one, index), Schedules.shardPatience)
        while (index >= before) {
          if ((yield* hasReached(one, index)) || Option.isSome(yield* saysIt)) return
          if (one.isAsking) break
        }
        yield* stop(id, one)
        yield* start(one.shard)
      })

    return {
      watch: (shards) =>
        Effect.gen(function* () {
          const wanted = new Map(shards.map((shard) => [idOf(shard), shard]))
          for (const [id, one] of running) if (!wanted.has(id)) yield* stop(id, one)
          for (const [id, shard] of wanted) if (!running.has(id)) yield* start(shard)
        }),
      begun,
      vouch: Effect.suspend(() =>
        Effect.forEach([...running], ([id, one]) => vouchFor(id, one), {
          concurrency: "unbounded",
          discard: true
        })
      ).pipe(Effect.zipRight(begun)),
      look: (ranges, since) =>
        Effect.suspend(() => {
          const wanted = new Set(ranges.map(KeyRange.id))
          for (const id of looked.keys()) if (!wanted.has(id)) looked.delete(id)
          const trusted = since.at < startedOverAt ? Blocking.start : since
          return Effect.forEach(ranges, examining(own, looked, trusted), {
            concurrency: "unbounded",
            discard: true
          })
        }),
      wait: Effect.flatMap(Clock.currentTimeMillis, (now) => Deferred.succeed(waitingSince, now)),
      activity: Effect.sync(() => activity),
      haveStartedOver: ({ at }) => Effect.sync(() => at < startedOverAt),
      failure: Deferred.await(failed)
    }
  })
