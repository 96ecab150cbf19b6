/** A watch of the source's `global/`, as a replica would follow it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { SimConsul } from "../../src/testing/index.js"
import * as World from "../../src/testing/World.js"
import * as Watcher from "../../src/Watcher.js"

const { source } = World

/** Parts of a few keys, so that a hundred are many. */
export const options: Watcher.WatchOptions = {
  source: { datacenter: source },
  prefix: "global/",
  shards: 12,
  keysEach: 4
}

/** Whoever runs something with a watcher. */
export interface Runner {
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, World.Services>>
}

/**
 * Applies what a watch says to a map, as a replica would, and keeps what it said. Each piece of news takes `pace` ms.
 */
export const watching = (
  instance: Runner,
  given: Partial<Watcher.WatchOptions> = {},
  slow: { readonly pace: number } = { pace: 0 }
) =>
  Effect.gen(function* () {
    const copy = new Map<string, string>()
    const said: Array<{ readonly what: string; readonly at: number }> = []
    const learn = (news: Watcher.WatchEvent) =>
      Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        if (news._tag === "CaughtUp") {
          said.push({ what: `complete ${news.index}`, at })
          const there = new Set(news.names)
          if (news.layoutChanged)
            for (const key of [...copy.keys()].filter((key) => !there.has(key))) copy.delete(key)
        } else {
          const { entries, range } = news
          said.push({ what: range.exact ? `=${range.prefix}` : range.prefix, at })
          const isThere = (key: string) => (range.exact ? key === range.prefix : key.startsWith(range.prefix))
          for (const key of [...copy.keys()].filter(isThere)) copy.delete(key)
          for (const { key, value } of entries) copy.set(key, atob(value))
        }
        yield* Effect.sleep(slow.pace)
      })
    yield* Watcher.events({ ...options, ...given }).pipe(
      Stream.runForEach((all) => Effect.forEach(all, learn, { discard: true })),
      instance.run,
      Effect.forkScoped
    )
    const isRight = Effect.map(World.contents(source, "global/"), (wanted) => {
      const there = Object.fromEntries([...copy].sort(([a], [b]) => (a < b ? -1 : 1)))
      const text = (bytes: string) => Buffer.from(bytes, "latin1").toString()
      const sorted = Object.fromEntries(
        Object.entries(wanted)
          .map(([key, value]) => [text(key), value] as const)
          .sort(([a], [b]) => (a < b ? -1 : 1))
      )
      return JSON.stringify(there) === JSON.stringify(sorted)
    })
    // Nothing else is in that datacenter.
    const isComplete = Effect.flatMap(SimConsul.SimConsul, (sim) =>
      Effect.map(sim.state(source), ({ index }) => said.at(-1)?.what === `complete ${index}`)
    )
    const names = () => said.map(({ what }) => what)
    const ranges = () => names().filter((name) => !name.startsWith("complete"))
    return { copy, said, isRight, isComplete, names, ranges }
  })
