/**
 * Warns a person once, before a replication writes for the first time, of what its first comparison overwrites and deletes
 * at the destination, and of prefixes that match more keys than they seem to.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import * as DeleteLimit from "../../DeleteLimit.js"
import * as KeyRange from "../../KeyRange.js"
import { type Replication, route, watched } from "../../Replication.js"
import { Watcher } from "../../Watcher.js"
import { inTurns } from "../effect/EventLoop.js"
import { count, some } from "../report/ReplicationLog.js"
import type { DestinationIndex } from "./DestinationIndex.js"
import * as Diff from "./Diff.js"
import * as Exclusion from "./Exclusion.js"
import type { Mapping } from "./Mapping.js"

export interface FirstComparison {
  /**
   * Logs the warnings, given what the destination holds before anything is written. Later calls log nothing. Waits for the
   * source as the watcher does. Fails with what is not worth another try.
   */
  readonly announce: (contents: DestinationIndex) => Effect.Effect<void, ConsulError>
}

/** Whether the prefix ends within a name, so that it matches `backups/x` where `backup/x` is meant. */
const endsInName = (prefix: string): boolean => prefix !== "" && !prefix.endsWith("/")

/** Of the keys under a prefix, those whose names go on where the prefix ends. A key that equals the prefix is none. */
export const siblings = (prefix: string, keys: ReadonlyArray<string>): ReadonlyArray<string> =>
  endsInName(prefix)
    ? keys.filter((key) => key.length > prefix.length && key.startsWith(prefix) && key[prefix.length] !== "/")
    : []

/** What the first comparison does to keys of the destination, by their names there. */
export interface Changes {
  readonly overwritten: ReadonlyArray<string>
  readonly deleted: ReadonlyArray<string>
}

/** None if nothing that the destination holds is lost. */
export const describe = (
  replication: Pick<Replication, "destinationPrefix" | "prefix" | "source">,
  { deleted, overwritten }: Changes
): Option.Option<string> => {
  const acts = [
    ["overwrites", overwritten],
    ["deletes", deleted]
  ] as const
  const texts = acts.flatMap(([act, keys]) =>
    keys.length === 0 ? [] : [`${act} ${count(keys.length, "key")} here (${some(keys)})`]
  )
  return texts.length === 0
    ? Option.none()
    : Option.some(`the first comparison of ${route(replication)} ${texts.join(" and ")}`)
}

const siblingWarning = (what: string, prefix: string, keys: ReadonlyArray<string>): string =>
  `the ${what} ${JSON.stringify(prefix)} does not end with a slash: it matches ${count(keys.length, "key")} ` +
  `whose ${keys.length === 1 ? "name goes" : "names go"} on after it (${some(keys)})`

export const make = Effect.fnUntraced(function* (
  replication: Replication,
  mapping: Mapping
): Effect.fn.Return<FirstComparison, never, Watcher> {
  const { deletes, destinationPrefix, maxDeletes, prefix, source } = replication
  const watcher = yield* Watcher
  let isAnnounced = false

  const warnOfSiblings = (what: string, prefix: string, keys: ReadonlyArray<string>) => {
    const found = siblings(prefix, keys)
    return found.length === 0 ? Effect.void : Effect.logWarning(siblingWarning(what, prefix, found))
  }

  /** Reads the source once more, unless it has none of the names that the destination has. */
  const overwritten = Effect.fnUntraced(function* (contents: DestinationIndex, extra: ReadonlyArray<string>) {
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
  const deleted = Effect.fnUntraced(function* (contents: DestinationIndex, extra: ReadonlyArray<string>) {
    if (!deletes || extra.length === 0 || !DeleteLimit.allows(maxDeletes, extra.length, contents.size))
      return []
    const original = (key: string) =>
      Option.map(KeyRange.original(mapping, KeyRange.only(key)), ({ prefix }) => prefix)
    const keys = extra.flatMap((key) => Option.toArray(original(key)))
    const { absent } = yield* watcher.presence({ ...watched(replication), keys })
    return extra.filter((key) => Option.exists(original(key), (there) => absent.has(there)))
  })

  const announce = Effect.fn("FirstComparison.announce")(function* (contents: DestinationIndex) {
    if (isAnnounced) return
    // A first copy into an empty prefix costs nothing more. The next call finds what this process has written.
    if (contents.size === 0 && !endsInName(prefix)) {
      isAnnounced = true
      return
    }
    const names = yield* watcher.names(watched(replication))
    yield* warnOfSiblings(`prefix of ${source}`, prefix, Exclusion.without(mapping.excluded.atSource, names))
    const extra = yield* inTurns(() => Diff.goneInSteps(contents, mapping, names))
    yield* warnOfSiblings("destination prefix", destinationPrefix, extra)
    const changes: Changes = {
      overwritten: yield* overwritten(contents, extra),
      deleted: yield* deleted(contents, extra)
    }
    yield* Option.match(describe(replication, changes), {
      onNone: () => Effect.void,
      onSome: Effect.logWarning
    })
    isAnnounced = true
  })

  return { announce }
})
