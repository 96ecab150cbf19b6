/**
 * From the keys of a configuration file to the settings that they give.
 */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { hint } from "../DidYouMean.js"
import type { Item, Position, Value } from "../hcl/Syntax.js"
import { type Given, Origin } from "../Origin.js"
import type { Setting } from "../Setting.js"
import { WrongUse } from "../WrongUse.js"

/** The keys that a file may have. Names are in lower case: as in 0.4.0, capitals do not count. */
export interface Keys {
  /** Settings by their whole key, such as `consul.ssl.verify`. */
  readonly settings: ReadonlyMap<string, Setting<unknown>>
  /** The names of blocks, such as `consul` and `consul.ssl`. */
  readonly blocks: ReadonlySet<string>
}

/** The keys of settings in a block. `parent` is its name and a dot; empty for the keys of the file itself. */
export const make = (settings: ReadonlyArray<Setting<unknown>>, parent = ""): Keys => {
  const named = settings.flatMap((setting) =>
    setting.keys.map((key) => [`${parent}${key}`, setting] as const)
  )
  return {
    settings: new Map(named),
    blocks: new Set(
      named.flatMap(([key]) => {
        const names = key.split(".")
        return names.slice(1).map((_, i) => names.slice(0, i + 1).join("."))
      })
    )
  }
}

/** A file that is being read. */
export interface Reading {
  /** The path of the file, for messages. */
  readonly file: string
  /** Texts by the name of their setting, in the order of the file. */
  readonly given: Map<string, Array<Given>>
  /** For the log, each with the file and a line. */
  readonly warnings: Array<string>
}

export const reading = (file: string): Reading => ({ file, given: new Map(), warnings: [] })

export const originOf = (file: string, key: string, { line }: Position): Origin =>
  Origin.File({ file, line, key })

/** An error `file:line: key: problem`. */
export const wrong = (file: string, key: string, { line }: Position, problem: string): WrongUse =>
  new WrongUse({ subject: `${file}:${line}: ${key}`, problem })

export const warn = ({ file, warnings }: Reading, { line }: Position, text: string): void => {
  warnings.push(`${file}:${line}: ${text}`)
}

const kinds = {
  Text: "not a text; put it into quotes",
  Number: "not a number; write it without quotes",
  Flag: "neither true nor false; write one of them without quotes"
} as const

/** The text of a value, if the value has the kind that the setting needs. */
const textOf = ({ kind }: Setting<unknown>, value: Value): Option.Option<string> => {
  if (kind === "Text" && value._tag === "Text") return Option.some(value.text)
  if (kind === "Number" && value._tag === "Number") return Option.some(value.text)
  if (kind === "Flag" && value._tag === "Truth") return Option.some(String(value.isTrue))
  return Option.none()
}

export const add = (
  { given }: Pick<Reading, "given">,
  name: string,
  ...texts: ReadonlyArray<Given>
): void => {
  given.set(name, [...(given.get(name) ?? []), ...texts])
}

/** The names of the keys and blocks of the `parent`. */
const siblings = ({ blocks, settings }: Keys, parent: string): ReadonlyArray<string> =>
  Arr.dedupe(
    [...blocks, ...settings.keys()]
      .filter((key) => key.startsWith(parent))
      .map((key) => key.slice(parent.length).replace(/\..*/, ""))
      .filter((name) => name !== "")
  )

const unknown = (keys: Keys, file: string, parent: string, { key }: Item): WrongUse => {
  const names = siblings(keys, parent)
  const of = parent === "" ? "" : ` of ${parent.slice(0, -1)}`
  const instead = hint(key.name, names, (name) => `${parent}${name}`, `the keys${of} are ${names.join(", ")}`)
  return wrong(file, `${parent}${key.name}`, key.at, `unknown key; ${instead}`)
}

/** The items of each block of a value that is a block or a list of blocks. */
const blocksOf = (value: Value): Option.Option<ReadonlyArray<ReadonlyArray<Item>>> => {
  if (value._tag === "Block") return Option.some([value.items])
  return value._tag === "List"
    ? Option.all(
        value.values.map((each) => (each._tag === "Block" ? Option.some(each.items) : Option.none()))
      )
    : Option.none()
}

/** Of two blocks with one name the last counts, as in 0.4.0. */
const withoutReplaced = (reading: Reading, keys: Keys, parent: string, items: ReadonlyArray<Item>) => {
  const isBlock = ({ key }: Item) => keys.blocks.has(`${parent}${key.name.toLowerCase()}`)
  return items.filter((item, i) => {
    const later = items
      .slice(i + 1)
      .find((other) => other.key.name.toLowerCase() === item.key.name.toLowerCase())
    if (later === undefined || !isBlock(item)) return true
    warn(
      reading,
      item.key.at,
      `${parent}${item.key.name}: the block on line ${later.key.at.line} stands for this one, as in 0.4.0; write one block`
    )
    return false
  })
}

/** Reads the items of a block, `parent` being its name and a dot, into the reading. */
export const read = (
  reading: Reading,
  keys: Keys,
  items: ReadonlyArray<Item>,
  parent = ""
): Either.Either<void, WrongUse> =>
  Either.gen(function* () {
    const { file } = reading
    for (const item of withoutReplaced(reading, keys, parent, items)) {
      const { key, labels, value } = item
      const name = `${parent}${key.name.toLowerCase()}`
      const setting = keys.settings.get(name)
      const [label] = labels
      if (label !== undefined && (setting !== undefined || keys.blocks.has(name))) {
        return yield* Either.left(
          wrong(
            file,
            name,
            label.at,
            `has no name in quotes; write ${key.name} { … } without ${JSON.stringify(label.name)}`
          )
        )
      }
      const blocks = blocksOf(value)
      if (keys.blocks.has(name) && Option.isSome(blocks)) {
        const last = blocks.value.at(-1)
        if (last !== undefined) yield* read(reading, keys, last, `${name}.`)
        continue
      }
      if (setting === undefined) {
        return yield* Either.left(
          keys.blocks.has(name)
            ? wrong(file, name, key.at, `not a block; write ${key.name} { … }`)
            : unknown(keys, file, parent, item)
        )
      }
      const text = textOf(setting, value)
      if (Option.isNone(text)) return yield* Either.left(wrong(file, name, value.at, kinds[setting.kind]))
      add(reading, setting.name, { text: text.value, origin: originOf(file, name, key.at) })
    }
  })
