/**
 * What a reload does. Replications begin and end beside those that have not changed; with another lock, or another way to an
 * agent, all begin anew. What holds for the whole life of the program is refused with its name: to go on without would be
 * another program than the one that the files describe.
 */
import * as Replication from "../../../Replication.js"
import type { Changes } from "../../../Replications.js"
import type { Reload } from "../../settings/Setting.js"
import type { Settings } from "../../settings/Settings.js"
import { WrongUse } from "../../settings/WrongUse.js"

const namesPrefix = ({ replications }: Settings): boolean =>
  replications.some(({ origins }) => origins.get("prefix")?._tag !== "Default")

/** The places of settings of a kind that are not as before. */
const changed = (kind: Reload, before: Settings, after: Settings): ReadonlyArray<string> =>
  before.fixed.flatMap(({ name, reload, texts, where }) => {
    const next = after.fixed.find((one) => one.name === name)
    return reload !== kind || next === undefined || JSON.stringify(next.texts) === JSON.stringify(texts)
      ? []
      : [next.texts.length === 0 ? where : next.where]
  })

/** The places of settings for which all begins anew; none if replications that have not changed go on. */
export const reasonsToBeginAnew = (before: Settings, after: Settings): ReadonlyArray<string> =>
  changed("anew", before, after)

/** What is wrong with a reload; undefined if nothing is. */
export const problemOf = (before: Settings, after: Settings): WrongUse | undefined => {
  // A file that is saved by halves can lack all prefixes. To replicate the default one instead would end those that run.
  if (namesPrefix(before) && !namesPrefix(after)) {
    return new WrongUse({ problem: "no prefix is named any more; for the default one write global/" })
  }
  const places = changed("refused", before, after)
  return places.length === 0
    ? undefined
    : new WrongUse({ subject: places.join(", "), problem: "restart the program to change this" })
}

/** So many replications are named in a line, and the others counted. */
const mostNamed = 10

const counted = (replications: ReadonlyArray<Replication.Replication>, verb: string): string => {
  const count = replications.length
  if (count === 0) return `0 ${verb}`
  const names = replications.slice(0, mostNamed).map(Replication.route)
  const more = count > names.length ? [`and ${count - names.length} more`] : []
  return `${count} ${verb} (${[...names, ...more].join(", ")})`
}

/** What a reload has done, for the log. */
export const summary = ({ ended, kept, started }: Changes): string =>
  [counted(started, "started"), counted(ended, "ended"), counted(kept, "go on as before")].join(", ")
