/**
 * The effect of a reload. Replications begin and end while unchanged ones go on. If the lock or a connection to an agent has
 * changed, all begin anew. A reload that changes a setting for the whole life of the program is refused, and the error names the
 * setting: otherwise the program would not be the one that the files describe.
 */
import * as Replication from "../../../Replication.js"
import type { Changes } from "../../../Replications.js"
import type { Reload } from "../../settings/Setting.js"
import type { Settings } from "../../settings/Settings.js"
import { WrongUse } from "../../settings/WrongUse.js"

const namesPrefix = ({ replications }: Settings): boolean =>
  replications.some(({ origins }) => origins.get("prefix")?._tag !== "Default")

/** The places of the changed settings of a kind. */
const changed = (kind: Reload, before: Settings, after: Settings): ReadonlyArray<string> =>
  before.fixed.flatMap(({ name, reload, texts, where }) => {
    const next = after.fixed.find((one) => one.name === name)
    return reload !== kind || next === undefined || JSON.stringify(next.texts) === JSON.stringify(texts)
      ? []
      : [next.texts.length === 0 ? where : next.where]
  })

/** The places of changed settings for which all replications begin anew; empty if unchanged replications go on. */
export const reasonsToBeginAnew = (before: Settings, after: Settings): ReadonlyArray<string> =>
  changed("anew", before, after)

/** The error of a reload, or undefined. */
export const problemOf = (before: Settings, after: Settings): WrongUse | undefined => {
  // A file that is half saved can lack all prefixes. The default prefix would then replace the replications that run.
  if (namesPrefix(before) && !namesPrefix(after)) {
    return new WrongUse({
      problem: 'no prefix is named any more; write prefix = "global/" if the default is meant'
    })
  }
  const places = changed("refused", before, after)
  return places.length === 0
    ? undefined
    : new WrongUse({ subject: places.join(", "), problem: "restart the program to change this" })
}

/** How many replications a line names. It has the number of the others. */
const mostNamed = 10

const counted = (replications: ReadonlyArray<Replication.Replication>, verb: string): string => {
  const count = replications.length
  if (count === 0) return `0 ${verb}`
  const names = replications.slice(0, mostNamed).map(Replication.route)
  const more = count > names.length ? [`and ${count - names.length} more`] : []
  return `${count} ${verb} (${[...names, ...more].join(", ")})`
}

/** The changes of a reload, for the log. */
export const summary = ({ ended, kept, started }: Changes): string =>
  [counted(started, "started"), counted(ended, "ended"), counted(kept, "go on as before")].join(", ")
