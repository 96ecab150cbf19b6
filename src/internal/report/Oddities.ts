/**
 * What is odd about keys of the source. Each key is named in one event, and no more keys of one kind are named than a person
 * would read.
 */
import * as Effect from "effect/Effect"
import type { ReplicationEvent, Route } from "../../ReplicationEvent.js"
import type { ValuelessSnapshot } from "../plan/Compared.js"
import * as Exclusion from "../plan/Exclusion.js"
import { emit } from "./EventSink.js"

export interface Oddities {
  /** Emits which keys of a snapshot are locked, and which are no UTF-8. */
  readonly snapshot: (snapshot: Pick<ValuelessSnapshot, "entries" | "invalidUtf8Keys">) => Effect.Effect<void>
  /** Emits which keys the source has and leaves out of its answers. */
  readonly hidden: (keys: ReadonlyArray<string>) => Effect.Effect<void>
}

type Tag = Extract<ReplicationEvent, { readonly isLast: boolean }>["_tag"]

/** A source whose locks have new names each time would have no end of them. */
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
