/**
 * A configuration file, in the shapes of 0.4.0, and of 0.2 and 0.3 before it.
 */
import * as Either from "effect/Either"
import * as Hcl from "../hcl/Hcl.js"
import * as Json from "../hcl/Json.js"
import type { Item } from "../hcl/Syntax.js"
import type { Given } from "../Origin.js"
import type { Setting } from "../Setting.js"
import type * as Sources from "../Sources.js"
import { WrongUse } from "../WrongUse.js"
import * as Keys from "./Keys.js"
import * as PrefixBlocks from "./PrefixBlocks.js"

export interface ConfigFile {
  /** The texts of all keys except `prefix` and `exclude`. */
  readonly given: Sources.ByName
  /** The prefixes, in the order of the file. */
  readonly prefixes: ReadonlyArray<PrefixBlocks.PrefixEntry>
  /** The excludes of all prefixes. */
  readonly excludes: ReadonlyArray<Given>
  /** The texts of `consul = "address"`, as before 0.4.0. 0.4.0 accepts and ignores them. */
  readonly ignoredAddresses: ReadonlyArray<Given>
  /** For the log, each with its file and line. */
  readonly warnings: ReadonlyArray<string>
}

/** Blocks and keys that 0.4.0 has inside `consul`. */
const moved: ReadonlySet<string> = new Set(["auth", "ssl", "token"])

const inside = (block: string, item: Item): Item => ({
  key: { name: block, at: item.key.at },
  labels: [],
  value: { _tag: "Block", items: [item], at: item.key.at }
})

/**
 * Finds the shapes of older releases. An item of `within` stood at the top and is wrapped in a `consul` block of its own, which
 * is not merged with others: in 0.4.0 it replaces the item of the `consul` block.
 */
const older = (reading: Keys.Reading, items: ReadonlyArray<Item>) => {
  const current: Array<Item> = []
  const within: Array<Item> = []
  const addresses: Array<Given> = []
  for (const item of items) {
    const { at, name } = item.key
    if (moved.has(name) && item.labels.length === 0) {
      const shown = name === "token" ? 'token = "…"' : `${name} { … }`
      Keys.warn(reading, at, `${name}: is now inside of consul; write consul { ${shown} }`)
      within.push(inside("consul", item))
    } else if (name === "consul" && item.value._tag === "Text") {
      const { text } = item.value
      Keys.warn(
        reading,
        at,
        `consul: ${JSON.stringify(text)} is not used, as in 0.4.0; write consul { address = ${JSON.stringify(text)} }`
      )
      addresses.push({ text, origin: Keys.originOf(reading.file, "consul", at) })
    } else if (name === "path") {
      Keys.warn(reading, at, "path: is no key of a file, and not used; name files by -config")
    } else {
      if (name === "retry") {
        Keys.warn(
          reading,
          at,
          "retry: is now inside of consul; write consul { retry { backoff = … max_backoff = … } }"
        )
      }
      current.push(item)
    }
  }
  return { current, within, addresses }
}

/** `file` is its path, for messages. A text whose first character is `{` is JSON, as in 0.4.0. */
export const parse = (
  file: string,
  text: string,
  settings: ReadonlyArray<Setting<unknown>>
): Either.Either<ConfigFile, WrongUse> =>
  Either.gen(function* () {
    const items = yield* Either.mapLeft(
      Json.isJson(text) ? Json.parse(text) : Hcl.parse(text),
      ({ at, problem }) => new WrongUse({ subject: `${file}:${at.line}:${at.column}`, problem })
    )
    const reading = Keys.reading(file)
    const keys = Keys.make(settings)
    const { addresses, current, within } = older(reading, items)
    const { excludes, others, prefixes } = yield* PrefixBlocks.split(reading, current)
    yield* Keys.read(reading, keys, others)
    // One by one: in one list, a later block would replace an earlier one.
    for (const item of within) yield* Keys.read(reading, keys, [item])
    return {
      given: reading.given,
      prefixes,
      excludes,
      ignoredAddresses: addresses,
      warnings: reading.warnings
    }
  })
