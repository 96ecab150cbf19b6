/**
 * Which settings a reload may change. What holds for the whole life of the program is refused with its name: to go on without
 * would be another program than the one that the files describe.
 */
import type { Settings } from "../../settings/Settings.js"
import { WrongUse } from "../../settings/WrongUse.js"

const namesPrefix = ({ replications }: Settings): boolean =>
  replications.some(({ origins }) => origins.get("prefix")?._tag !== "Default")

/** The places of settings that hold for the life of the program and are not as before. */
const changed = (before: Settings, after: Settings): ReadonlyArray<string> =>
  before.fixed.flatMap(({ name, texts, where }) => {
    const next = after.fixed.find((one) => one.name === name)
    return next === undefined || JSON.stringify(next.texts) === JSON.stringify(texts)
      ? []
      : [next.texts.length === 0 ? where : next.where]
  })

/** What is wrong with a reload; undefined if nothing is. */
export const problemOf = (before: Settings, after: Settings): WrongUse | undefined => {
  // A file that is saved by halves can lack all prefixes. To replicate the default one instead would end those that run.
  if (namesPrefix(before) && !namesPrefix(after)) {
    return new WrongUse({ problem: "no prefix is named any more; for the default one write global/" })
  }
  const places = changed(before, after)
  return places.length === 0
    ? undefined
    : new WrongUse({ subject: places.join(", "), problem: "restart the program to change this" })
}
