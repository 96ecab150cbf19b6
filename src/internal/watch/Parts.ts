/**
 * Watches a prefix of many keys in parts, each with a query of its own, so that a change costs what a part costs. What
 * falls between the parts, and whether all of them have said what they should, is looked for beside them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Answer } from "../../ConsulHttp.js"
import { under } from "../../KeyRange.js"
import * as Schedules from "../../Schedules.js"
import * as Blocking from "../Blocking.js"
import * as Layout from "../Layout.js"
import * as Shards from "./Shards.js"
import { current, retrying, type Source } from "./Source.js"
import { isSmall, type Queries, type Say, type Watch } from "./Ways.js"

/** Ranges that nobody watches are looked at one by one, unless they are so many that reading everything is cheaper. */
const mostLoose = 64

/** Says snapshots of parts, and when they are complete, until the keys are too few or their history is another one. */
export const watch = (
  sources: Effect.Effect<Source, never, Scope.Scope>,
  { keysEach, prefix, shards: most }: Watch,
  { parts, whole }: Queries,
  say: Say,
  first: Answer<ReadonlyArray<string>>
) =>
  Effect.gen(function* () {
    const source = yield* sources
    const limits: Layout.Limits = { shards: most, keysEach }
    let names = Layout.sorted(first.value)
    let { index } = first
    let layout = Layout.make(prefix, names, limits)
    let reshaped = true
    let completed = 0

    const tell = (found: Shards.Found) => say({ _tag: "Snapshot", ...found, of: names.length })
    const shards = yield* Shards.make(sources, parts, tell)

    /** What no shard can hold. */
    const readRest = Effect.gen(function* () {
      if (layout.isComplete && layout.loose.length <= mostLoose) return yield* shards.look(layout.loose)
      const range = under(prefix)
      const { index: now, value } = yield* retrying(source.read(range, current))
      yield* tell({ ...value, range, index: now, rewound: false, isCertain: true })
      index = Math.max(index, now)
    })

    /** Says what the names show, and the shards do not. */
    const adopt = Effect.gen(function* () {
      if (!Layout.serves(layout, names)) {
        layout = Layout.make(prefix, names, limits)
        reshaped = true
      }
      yield* shards.watch(layout.shards)
      yield* shards.begun
      yield* readRest
    })

    const complete = Effect.gen(function* () {
      yield* say({ _tag: "Complete", index, names, reshaped })
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
     * Waits until something under the prefix has changed, and says each minute that nothing has. False when its history
     * is another one now.
     */
    const changed = Effect.gen(function* () {
      const separator = Layout.separator(prefix, names)
      for (;;) {
        const { next } = yield* Blocking.ask({ index, wait: Schedules.watchWait }, (wait) =>
          wait.index === 0
            ? source.names(prefix, current)
            : whole.ask(
                { kind: "names", of: prefix },
                wait.index,
                source.names(prefix, { ...wait, separator })
              )
        )
        if (next !== index) return next > index
        yield* complete
      }
    })

    const follow = Effect.gen(function* () {
      yield* adopt
      // What has just begun has been read after the names.
      yield* complete
      yield* shards.wait
      let pause = Schedules.lookInterval
      for (;;) {
        if (!(yield* changed)) return
        for (let isComplete = false; !isComplete; ) {
          // The parts are told of the change at the same moment: what they do about it comes first.
          const areBusy = yield* areBusyAfter(pause)
          const [took, answer] = yield* Effect.timed(retrying(source.names(prefix, current)))
          if (isSmall(answer.value.length, keysEach)) return
          // Another history: nothing that was said of this one counts.
          if (answer.index < index) return
          pause = Schedules.lookPause(took)
          names = Layout.sorted(answer.value)
          index = answer.index
          yield* adopt
          const due = completed + Duration.toMillis(Schedules.vouchInterval)
          isComplete = !areBusy || reshaped || (yield* Clock.currentTimeMillis) >= due
        }
        yield* shards.vouch
        yield* complete
      }
    })

    yield* Effect.raceFirst(follow, shards.failure)
  }).pipe(Effect.scoped)
