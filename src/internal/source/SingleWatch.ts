/**
 * Watches a prefix of few keys as a whole, with one query, which sends all of it again for each change.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { under } from "../../KeyRange.js"
import * as BlockingQuery from "../consul/BlockingQuery.js"
import { sorted } from "../plan/SortKeys.js"
import * as Schedules from "../Schedules.js"
import { chain, current, type SourceReader } from "./SourceReader.js"
import { type Emit, isLarge, layoutFor, type WatchMeans, type WatchSettings } from "./WatchPlan.js"
import * as Weights from "./Weights.js"

/**
 * Emits for each answer a snapshot of the whole prefix, and with it that this is all, until the keys are too many or too heavy
 * for one answer.
 */
export const watch = (
  source: SourceReader,
  options: WatchSettings,
  { budget, limit, weights, whole }: WatchMeans,
  { emit, liveness }: Emit
) =>
  Effect.gen(function* () {
    const { prefix } = options
    const range = under(prefix)
    const maxBytes = Weights.wholeBytes
    const links = yield* chain(source, limit)
    const part = yield* liveness.part()
    let from = BlockingQuery.fromScratch
    yield* budget.claim(0)
    for (;;) {
      const { index, restarted, next, value } = yield* part.asking(
        links.ask(from, Schedules.watchWait, (wait) =>
          // What a chain begins with is compared with nothing older, which would show that it is stale.
          BlockingQuery.isNow(wait)
            ? source.read(range, { ...current, maxBytes })
            : whole.ask({ kind: "keys", of: prefix }, wait, source.read(range, { ...wait, maxBytes }))
        )
      )
      const of = value.entries.length
      weights.keep([range])
      weights.note(range, of, Weights.bytesOf(value))
      const names = [...value.entries, ...value.malformed].map(({ key }) => key)
      yield* emit(
        { _tag: "Snapshot", ...value, range, index, restarted, totalKeys: of },
        { _tag: "CaughtUp", index, names, layoutChanged: false }
      )
      if (isLarge(of, options)) {
        const shards = yield* budget.allowedWith(of)
        const layout = layoutFor({ ...options, shards }, sorted(names), true, weights, source.isNameable)
        if (Option.isSome(layout)) return
      }
      from = next
    }
  }).pipe(
    Effect.catchTag("AnswerTooLarge", () =>
      Effect.sync(() => weights.noteCutOff(under(options.prefix), Weights.wholeBytes))
    ),
    Effect.scoped
  )
