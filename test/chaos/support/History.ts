/**
 * All states that a source was in, one after another, and what a destination may look like beside them.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Contents, View } from "./View.js"

/** What the source's prefix held from `index` on. */
export interface Moment {
  readonly index: number
  readonly state: Contents
}

/** Oldest first. */
export type History = ReadonlyArray<Moment>

const replicatedIn = (view: View): number =>
  Option.match(view.status, { onNone: () => 0, onSome: ({ LastReplicated }) => LastReplicated })

const differing = (a: Contents, b: Contents): ReadonlyArray<string> =>
  Array.from(HashMap.keys(HashMap.union(a, b))).filter(
    (key) => Option.getOrUndefined(HashMap.get(a, key)) !== Option.getOrUndefined(HashMap.get(b, key))
  )

const named = (keys: ReadonlyArray<string>) => `${keys.length} keys (${keys.slice(0, 5).join(", ")}, …)`

/**
 * What is wrong with a destination all of whose changes fit one transaction: it must be exactly as the source was at
 * the index that the status tells.
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
 * What is wrong with any destination: each key must be as it was at the source at the index of the status or later,
 * and where the status tells none, as it ever was.
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
