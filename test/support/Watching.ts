/** A watch of the source's `global/`, and a map that follows its events as a replica does. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { SimConsul } from "../../src/testing/index.js"
import * as World from "../../src/testing/World.js"
import * as Watcher from "../../src/Watcher.js"

const { source } = World

/** Options that make shards of a few keys, so that a hundred keys are a large prefix. */
export const options: Watcher.WatchOptions = {
  source: { datacenter: source },
  prefix: "global/",
  shards: 12,
  keysEach: 4
}

/** Runs effects with a watcher. */
export interface Runner {
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, World.Services>>
}

/**
 * Applies the events of a watch to a map, as a replica would, and records them. Each event takes `pace` ms.
 */
export const watching = (
  instance: Runner,
  given: Partial<Watcher.WatchOptions> = {},
  slow: { readonly pace: number } = { pace: 0 }
) =>
  Effect.gen(function* () {
    const copy = new Map<string, string>()
    const emitted: Array<{ readonly what: string; readonly at: number }> = []
    const apply = (event: Watcher.WatchEvent) =>
      Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        if (event._tag === "CaughtUp") {
          emitted.push({ what: `complete ${event.index}`, at })
          const present = new Set(event.names)
          if (event.layoutChanged)
            for (const key of [...copy.keys()].filter((key) => !present.has(key))) copy.delete(key)
        } else {
          const { entries, range } = event
          emitted.push({ what: range.exact ? `=${range.prefix}` : range.prefix, at })
          const isInRange = (key: string) =>
            range.exact ? key === range.prefix : key.startsWith(range.prefix)
          for (const key of [...copy.keys()].filter(isInRange)) copy.delete(key)
          for (const { key, value } of entries) copy.set(key, atob(value))
        }
        yield* Effect.sleep(slow.pace)
      })
    yield* Watcher.events({ ...options, ...given }).pipe(
      Stream.runForEach((all) => Effect.forEach(all, apply, { discard: true })),
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
    // The datacenter has no other keys, so its index is that of the prefix.
    const isComplete = Effect.flatMap(SimConsul.SimConsul, (sim) =>
      Effect.map(sim.state(source), ({ index }) => emitted.at(-1)?.what === `complete ${index}`)
    )
    const names = () => emitted.map(({ what }) => what)
    const ranges = () => names().filter((name) => !name.startsWith("complete"))
    return { copy, emitted, isRight, isComplete, names, ranges }
  })
