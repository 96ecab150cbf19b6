/** Watches a prefix of few keys with one query, which Consul answers with all keys at each change. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { under } from "../../KeyRange.js"
import * as BlockingQuery from "../consul/BlockingQuery.js"
import * as RequestTimes from "../consul/RequestTimes.js"
import { sorted } from "../plan/SortKeys.js"
import { chain, current, type SourceReader } from "./SourceReader.js"
import { type Emit, isLarge, layoutFor, type WatchMeans, type WatchSettings } from "./WatchPlan.js"
import * as Weights from "./Weights.js"

/**
 * Emits a snapshot of the whole prefix and a `CaughtUp` for each answer, until the keys are too many or too heavy for one
 * answer.
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
    const topic = yield* liveness.topic()
    let from = BlockingQuery.fromScratch
    yield* budget.claim(0)
    for (;;) {
      const { index, restarted, next, value } = yield* topic.asking(
        links.ask(from, RequestTimes.watchWait, (wait) =>
          // A stale answer shows by an older index than the one before. The first answer of a chain has none before it.
          BlockingQuery.isNow(wait)
            ? source.read(range, { ...current, maxBytes })
            : whole.ask({ kind: "keys", of: prefix }, wait, source.read(range, { ...wait, maxBytes }))
        )
      )
      const totalKeys = value.entries.length
      weights.keep([range])
      weights.note(range, totalKeys, Weights.bytesOf(value))
      const names = [...value.entries, ...value.malformed].map(({ key }) => key)
      yield* emit(
        { _tag: "Snapshot", ...value, range, index, restarted, totalKeys },
        { _tag: "CaughtUp", index, names, layoutChanged: false }
      )
      if (isLarge(totalKeys, options)) {
        const shards = yield* budget.allowedWith(totalKeys)
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
