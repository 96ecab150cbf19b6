/**
 * The states that a source was in, and the check of a destination against them.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Contents, View } from "./View.js"

/** The keys of the source's prefix since `index`. */
export interface Moment {
  readonly index: number
  readonly state: Contents
}

/** The states, oldest first. */
export type History = ReadonlyArray<Moment>

const replicatedIn = (view: View): number =>
  Option.match(view.status, { onNone: () => 0, onSome: ({ LastReplicated }) => LastReplicated })

const differing = (a: Contents, b: Contents): ReadonlyArray<string> =>
  Array.from(HashMap.keys(HashMap.union(a, b))).filter(
    (key) => Option.getOrUndefined(HashMap.get(a, key)) !== Option.getOrUndefined(HashMap.get(b, key))
  )

const named = (keys: ReadonlyArray<string>) => `${keys.length} keys (${keys.slice(0, 5).join(", ")}, …)`

/**
 * Finds what is wrong with a destination whose changes always fit one transaction. It must equal the source at the index that the
 * status names.
 */
export const violationOfAll = (history: History, view: View): Option.Option<string> => {
  const index = replicatedIn(view)
  const moment = history.find((moment) => moment.index === index)
  if (index === 0) {
    return HashMap.isEmpty(view.contents)
      ? Option.none()
      : Option.some("the status says that nothing was replicated, but something was")
  }
  if (moment === undefined) return Option.some(`the source never had the index ${index} of the status`)
  const wrong = differing(moment.state, view.contents)
  return wrong.length === 0
    ? Option.none()
    : Option.some(`${named(wrong)} are not as the source was at the index ${index} of the status`)
}

/**
 * Finds what is wrong with any destination. Each key must be as it was at the source at the index of the status or later. If the
 * status names no index, each key must be as it was at any time.
 */
export const violationOfEach = (history: History, view: View): Option.Option<string> => {
  const index = replicatedIn(view)
  const since = index === 0 ? history : history.filter((moment) => moment.index >= index)
  if (index !== 0 && since[0]?.index !== index) {
    return Option.some(`the source never had the index ${index} of the status`)
  }
  const keys = new Set([
    ...HashMap.keys(view.contents),
    ...HashMap.keys(history.at(-1)?.state ?? HashMap.empty())
  ])
  const wrong = Array.from(keys).filter((key) => {
    const held = Option.getOrUndefined(HashMap.get(view.contents, key))
    if (held === undefined && index === 0) return false
    return !since.some(({ state }) => Option.getOrUndefined(HashMap.get(state, key)) === held)
  })
  return wrong.length === 0
    ? Option.none()
    : Option.some(`${named(wrong)} hold what the source did not hold at the index ${index} or later`)
}
