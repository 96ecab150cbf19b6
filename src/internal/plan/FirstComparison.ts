/**
 * Emits warnings once, before a replication writes for the first time: the keys that its first comparison overwrites and
 * deletes at the destination, and prefixes that match more keys than they seem to.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as DeleteLimit from "../../DeleteLimit.js"
import * as KeyRange from "../../KeyRange.js"
import { type Replication, watched } from "../../Replication.js"
import { Watcher } from "../../Watcher.js"
import { inTurns } from "../effect/EventLoop.js"
import { emit } from "../report/EventSink.js"
import { routeOf } from "../report/Route.js"
import type { DestinationIndex } from "./DestinationIndex.js"
import * as Diff from "./Diff.js"
import * as Exclusion from "./Exclusion.js"
import { type DestinationKey, type Mapping, nameAtSource, sourceKeys } from "./Mapping.js"

export interface FirstComparison {
  /**
   * Emits the warnings. `contents` are the keys of the destination before the first write. Later calls emit nothing. Waits for
   * the source as the watcher does. Fails only with errors that a retry cannot fix.
   */
  readonly announce: (contents: DestinationIndex) => Effect.Effect<void, ConsulError>
}

/** Whether the prefix ends within a name: `backup` also matches `backups/x`. */
const endsInName = (prefix: string): boolean => prefix !== "" && !prefix.endsWith("/")

/** The keys under a prefix that have no slash behind it, except the key that equals the prefix. */
export const siblings = (prefix: string, keys: ReadonlyArray<string>): ReadonlyArray<string> =>
  endsInName(prefix)
    ? keys.filter((key) => key.length > prefix.length && key.startsWith(prefix) && key[prefix.length] !== "/")
    : []

export const make = Effect.fnUntraced(function* (
  replication: Replication,
  mapping: Mapping
): Effect.fn.Return<FirstComparison, never, Watcher> {
  const { deletes, destinationPrefix, maxDeletes, prefix } = replication
  const about = { replication: routeOf(replication) }
  const watcher = yield* Watcher
  let isAnnounced = false

  const warnOfSiblings = (side: "source" | "destination", prefix: string, all: ReadonlyArray<string>) => {
    const keys = siblings(prefix, all)
    return keys.length === 0 ? Effect.void : emit({ _tag: "SiblingsMatched", ...about, side, prefix, keys })
  }

  /** Reads the source once more, unless it has none of the names that the destination has. */
  const overwritten = Effect.fnUntraced(function* (
    contents: DestinationIndex,
    extra: ReadonlyArray<DestinationKey>
  ) {
    const keys: Array<string> = []
    if (extra.length === contents.size) return keys
    yield* watcher.confirmInPieces(
      { ...watched(replication), range: KeyRange.under(prefix) },
      (piece, { value }) =>
        Effect.sync(() => {
          const { writes } = Diff.diff(contents, mapping, piece, value.entries)
          for (const { key } of writes) if (contents.has(key)) keys.push(key)
        })
    )
    return keys
  })

  /** A key that the source has and hides from the token is not deleted. More keys than the limit allows are held back. */
  const deleted = Effect.fnUntraced(function* (
    contents: DestinationIndex,
    extra: ReadonlyArray<DestinationKey>
  ) {
    if (!deletes || extra.length === 0 || !DeleteLimit.allows(maxDeletes, extra.length, contents.size))
      return []
    const original = (key: DestinationKey) => nameAtSource(mapping, key)
    const keys = extra.flatMap((key) => Option.toArray(original(key)))
    const { absent } = yield* watcher.presence({ ...watched(replication), keys })
    return extra.filter((key) => Option.exists(original(key), (there) => absent.has(there)))
  })

  const announce = Effect.fn("FirstComparison.announce")(function* (contents: DestinationIndex) {
    if (isAnnounced) return
    // A first copy into an empty prefix costs no request. The contents of the next call are written by this process.
    if (contents.size === 0 && !endsInName(prefix)) {
      isAnnounced = true
      return
    }
    const names = yield* watcher.names(watched(replication))
    yield* warnOfSiblings("source", prefix, Exclusion.without(mapping.excluded.atSource, names))
    const extra = yield* inTurns(() => Diff.goneInSteps(contents, mapping, sourceKeys(names)))
    yield* warnOfSiblings("destination", destinationPrefix, extra)
    const changes = {
      overwritten: yield* overwritten(contents, extra),
      deleted: yield* deleted(contents, extra)
    }
    if (changes.overwritten.length + changes.deleted.length > 0) {
      yield* emit({ _tag: "FirstComparison", ...about, ...changes })
    }
    isAnnounced = true
  })

  return { announce }
})
