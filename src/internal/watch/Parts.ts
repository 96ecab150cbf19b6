/**
 * Watches a prefix of many keys in parts, each with a query of its own, so that a change costs what a part costs. What
 * falls between the parts, and whether all of them have said what they should, is looked for beside them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import * as Schedules from "../../Schedules.js"
import * as Blocking from "../Blocking.js"
import * as Layout from "../Layout.js"
import { sorted } from "../sorted.js"
import * as Shards from "./Shards.js"
import { current, retrying, type Source } from "./Source.js"
import { isSmall, layoutFor, type Queries, type Say, type Watch } from "./Ways.js"

/** The keys that there are, `from` when they were listed, and the parts to watch them in. */
interface Divided {
  readonly from: Blocking.From
  readonly names: ReadonlyArray<string>
  readonly layout: Layout.Layout
}

/** What there is to be watched in parts; none where it is better watched as a whole. */
export const begin = (source: Source, options: Watch): Effect.Effect<Option.Option<Divided>, ConsulError> =>
  Effect.gen(function* () {
    const { index, value } = yield* retrying(source.names(options.prefix, current))
    const names = sorted(value)
    const from = { index, at: yield* Clock.currentTimeMillis }
    return Option.map(layoutFor(options, names, true), (layout) => ({ from, names, layout }))
  })

/** Says snapshots of parts, and when they are complete, until they serve no more or their history is another one. */
export const watch = (
  sources: Effect.Effect<Source, never, Scope.Scope>,
  options: Watch,
  { parts, whole }: Queries,
  say: Say,
  first: Divided
) =>
  Effect.gen(function* () {
    const { keysEach, prefix } = options
    const source = yield* sources
    const chain = yield* Blocking.make
    let { from, layout, names } = first
    let reshaped = true
    let completed = 0
    let separator = Layout.separator(prefix, names)

    const tell = (found: Shards.Found) => say({ _tag: "Snapshot", ...found, of: names.length })
    // Parts ask for names to see whether they have moved: folded, they are few.
    const folding = Effect.map(
      sources,
      (source): Source => ({
        ...source,
        moved: (prefix, options) => source.moved(prefix, { ...options, separator })
      })
    )
    const shards = yield* Shards.make(folding, parts, tell)

    /**
     * Watches the parts of a layout, and says what is in no shard; `since` that is known to be unmoved where its index
     * is.
     */
    const adopt = (since: Blocking.From) =>
      Effect.gen(function* () {
        yield* shards.watch(layout.shards)
        yield* shards.begun
        yield* shards.look(layout.loose, since)
      })

    const complete = Effect.gen(function* () {
      yield* say({ _tag: "Complete", index: from.index, names, reshaped })
      reshaped = false
      completed = yield* Clock.currentTimeMillis
    })

    /** Whether shards have something to say in the second half of a pause. */
    const areBusyAfter = Effect.fnUntraced(function* (pause: Duration.Duration) {
      const half = Duration.millis(Math.round(Duration.toMillis(pause) / 2))
      yield* Effect.sleep(half)
      const before = yield* shards.activity
      yield* Effect.sleep(half)
      return (yield* shards.activity) > before
    })

    /**
     * Waits until something under the prefix may have changed, and says each minute that nothing has. Answers since when;
     * none when its history is another one now.
     */
    const changed = Effect.gen(function* () {
      separator = Layout.separator(prefix, names)
      for (;;) {
        const { isFresh, next } = yield* chain.ask(from, Schedules.watchWait, (wait) =>
          wait.index === 0
            ? source.names(prefix, current)
            : whole.ask({ kind: "names", of: prefix }, wait, source.names(prefix, { ...wait, separator }))
        )
        if (next.index < from.index) return Option.none()
        if (isFresh || (yield* shards.haveStartedOver(from))) return Option.some(Blocking.start)
        if (next.index > from.index) return Option.some(from)
        from = next
        yield* complete
      }
    })

    const follow = Effect.gen(function* () {
      yield* adopt(Blocking.start)
      // What has just begun has been read after the names.
      yield* complete
      yield* shards.wait
      let pause = Schedules.lookInterval
      for (;;) {
        const since = yield* changed
        if (Option.isNone(since)) return
        let known = since.value
        for (let isComplete = false; !isComplete; ) {
          // The parts are told of the change at the same moment: what they do about it comes first.
          const areBusy = yield* areBusyAfter(pause)
          const listing = Effect.tapError(source.names(prefix, { ...current, before: names }), () =>
            Effect.sync(() => {
              known = Blocking.start
            })
          )
          const [took, answer] = yield* retrying(Effect.timed(listing))
          if (isSmall(answer.value.length, keysEach)) return
          // Another history: nothing that was said of this one counts.
          if (answer.index < from.index) return
          pause = Schedules.lookPause(took)
          const areSame = answer.value === names
          names = sorted(answer.value)
          from = { index: answer.index, at: yield* Clock.currentTimeMillis }
          if (!areSame && !Layout.serves(layout, names)) {
            const next = layoutFor(options, names, false)
            if (Option.isNone(next)) return
            layout = next.value
            reshaped = true
          }
          yield* adopt(known)
          known = from
          const due = completed + Duration.toMillis(Schedules.vouchInterval)
          isComplete = !areBusy || reshaped || (yield* Clock.currentTimeMillis) >= due
        }
        yield* shards.vouch
        yield* complete
      }
    })

    yield* Effect.raceFirst(follow, shards.failure)
  }).pipe(Effect.scoped)
