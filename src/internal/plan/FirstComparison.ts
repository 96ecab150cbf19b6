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

/** The services and the state of one replication's first comparison. */
interface State {
  readonly replication: Replication
  readonly mapping: Mapping
  readonly watcher: Watcher["Type"]
  /** Whether nothing is left to warn of: the warnings were emitted, or this process has begun to write. */
  isAnnounced: boolean
}

/** Emits the siblings of a prefix among the keys of one side. */
const warnOfSiblings = (
  { replication }: State,
  side: "source" | "destination",
  prefix: string,
  all: ReadonlyArray<string>
): Effect.Effect<void> => {
  const keys = siblings(prefix, all)
  return keys.length === 0
    ? Effect.void
    : emit({ _tag: "SiblingsMatched", replication: routeOf(replication), side, prefix, keys })
}

/**
 * The keys that both sides have, and that differ. `extra` are the keys that the source lacks. Reads the source once more, unless
 * it has none of the names that the destination has.
 */
const overwritten = Effect.fnUntraced(function* (
  { mapping, replication, watcher }: State,
  contents: DestinationIndex,
  extra: ReadonlyArray<DestinationKey>
): Effect.fn.Return<ReadonlyArray<string>, ConsulError> {
  const keys: Array<string> = []
  if (extra.length === contents.size) return keys
  yield* watcher.confirmInPieces(
    { ...watched(replication), range: KeyRange.under(replication.prefix) },
    (piece, { value }) =>
      Effect.sync(() => {
        const { writes } = Diff.diff(contents, mapping, piece, value.entries)
        for (const { key } of writes) if (contents.has(key)) keys.push(key)
      })
  )
  return keys
})

/**
 * The keys that the first comparison deletes, among `extra`, the keys that the source lacks. A key that the source has and hides
 * from the token is not deleted. More keys than the limit allows are held back.
 */
const deleted = Effect.fnUntraced(function* (
  { mapping, replication, watcher }: State,
  contents: DestinationIndex,
  extra: ReadonlyArray<DestinationKey>
): Effect.fn.Return<ReadonlyArray<string>, ConsulError> {
  const { deletes, maxDeletes } = replication
  if (!deletes || extra.length === 0 || !DeleteLimit.allows(maxDeletes, extra.length, contents.size)) {
    return []
  }
  const original = (key: DestinationKey) => nameAtSource(mapping, key)
  const keys = extra.flatMap((key) => Option.toArray(original(key)))
  const { absent } = yield* watcher.presence({ ...watched(replication), keys })
  return extra.filter((key) => Option.exists(original(key), (there) => absent.has(there)))
})

const announce = Effect.fn("FirstComparison.announce")(function* (
  state: State,
  contents: DestinationIndex
): Effect.fn.Return<void, ConsulError> {
  const { mapping, replication, watcher } = state
  const { destinationPrefix, prefix } = replication
  if (state.isAnnounced) return
  // A first copy into an empty prefix costs no request. The contents of the next call are written by this process.
  if (contents.size === 0 && !endsInName(prefix)) {
    state.isAnnounced = true
    return
  }
  const names = yield* watcher.names(watched(replication))
  yield* warnOfSiblings(state, "source", prefix, Exclusion.without(mapping.excluded.atSource, names))
  const extra = yield* inTurns(() => Diff.goneInSteps(contents, mapping, sourceKeys(names)))
  yield* warnOfSiblings(state, "destination", destinationPrefix, extra)
  const changes = {
    overwritten: yield* overwritten(state, contents, extra),
    deleted: yield* deleted(state, contents, extra)
  }
  if (changes.overwritten.length + changes.deleted.length > 0) {
    yield* emit({ _tag: "FirstComparison", replication: routeOf(replication), ...changes })
  }
  state.isAnnounced = true
})

export const make = (
  replication: Replication,
  mapping: Mapping
): Effect.Effect<FirstComparison, never, Watcher> =>
  Effect.map(Watcher, (watcher) => {
    const state: State = { replication, mapping, watcher, isAnnounced: false }
    return { announce: (contents) => announce(state, contents) }
  })
