/**
 * Reports keys of the source that are locked, not UTF-8, or hidden. One event names each key, and at most 1,000 keys of a kind
 * are named.
 */
import * as Effect from "effect/Effect"
import type { ReplicationEvent, Route } from "../event/ReplicationEvent.js"
import type { ValuelessSnapshot } from "../plan/Compared.js"
import * as Exclusion from "../plan/Exclusion.js"
import { emit } from "./EventSink.js"

export interface Oddities {
  /** Emits the keys of a snapshot that are locked, and those that are not UTF-8. */
  readonly snapshot: (snapshot: Pick<ValuelessSnapshot, "entries" | "invalidUtf8Keys">) => Effect.Effect<void>
  /** Emits keys that the source leaves out of its answers. */
  readonly hidden: (keys: ReadonlyArray<string>) => Effect.Effect<void>
}

type Tag = Extract<ReplicationEvent, { readonly isLast: boolean }>["_tag"]

/** The most keys of a kind that are named: a source may lock keys with new names again and again. */
const mostOfAKind = 1_000

/** Excluded keys are not named. */
export const make = (replication: Route, exclude: ReadonlyArray<string>): Effect.Effect<Oddities> =>
  Effect.sync(() => {
    const without = (keys: ReadonlyArray<string>) => Exclusion.without(exclude, keys)
    const named = {
      LocksNotCopied: new Set<string>(),
      KeysNotUtf8: new Set<string>(),
      KeysHidden: new Set<string>()
    } satisfies Record<Tag, Set<string>>

    const emitNew = (_tag: Tag, all: ReadonlyArray<string>): Effect.Effect<void> => {
      const before = named[_tag]
      if (all.length === 0 || before.size >= mostOfAKind) return Effect.void
      const keys = all.filter((key) => !before.has(key))
      if (keys.length === 0) return Effect.void
      for (const key of keys.slice(0, mostOfAKind - before.size)) before.add(key)
      return emit({ _tag, replication, keys, isLast: before.size >= mostOfAKind })
    }

    return {
      snapshot: ({ entries, invalidUtf8Keys }) =>
        Effect.zipRight(
          emitNew(
            "LocksNotCopied",
            without(entries.filter(({ session }) => session !== undefined).map(({ key }) => key))
          ),
          emitNew("KeysNotUtf8", without(invalidUtf8Keys))
        ),
      hidden: (keys) => emitNew("KeysHidden", keys)
    }
  })
