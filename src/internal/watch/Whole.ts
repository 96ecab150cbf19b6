/**
 * Watches a prefix of few keys as a whole, with one query, which sends all of it again for each change.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { under } from "../../KeyRange.js"
import * as Schedules from "../../Schedules.js"
import * as Blocking from "../Blocking.js"
import { sorted } from "../sorted.js"
import { current, type Source } from "./Source.js"
import { isLarge, layoutFor, type Queries, type Say, type Watch } from "./Ways.js"

/** Says a snapshot of the whole for each answer, until there are too many keys for that. */
export const watch = (source: Source, options: Watch, { whole }: Queries, say: Say) =>
  Effect.gen(function* () {
    const { keysEach, prefix } = options
    const range = under(prefix)
    const chain = yield* Blocking.make
    let from = Blocking.start
    let last = 0
    for (;;) {
      const { index, isFresh, next, value } = yield* chain.ask(from, Schedules.watchWait, (wait) =>
        // What a chain begins with is compared with nothing older, which would show that it is stale.
        wait.index === 0
          ? source.read(range, current)
          : whole.ask({ kind: "keys", of: prefix }, wait, source.read(range, wait))
      )
      const of = value.entries.length
      const rewound = index < last
      yield* say({ _tag: "Snapshot", ...value, range, index, rewound, isCertain: isFresh, of })
      if (isLarge(of, keysEach)) {
        const names = value.entries.map(({ key }) => key)
        if (Option.isSome(layoutFor(options, sorted(names), true))) return
      }
      from = next
      last = index
    }
  })
