/**
 * `prefix` and `exclude` in a configuration file: texts, lists and blocks, in all shapes that 0.4.0 accepts.
 */
import * as Either from "effect/Either"
import type { Item, Position, Value } from "../hcl/Syntax.js"
import type { Given, Origin } from "../Origin.js"
import { source as sourceConsul } from "../options/Connections.js"
import { optional, repeated } from "../Setting.js"
import type * as Sources from "../Sources.js"
import * as Texts from "../Texts.js"
import type { WrongUse } from "../WrongUse.js"
import * as Keys from "./Keys.js"

/** A prefix as it was given: as one text, or as a block with a key for each part. */
export type PrefixEntry =
  | { readonly _tag: "Text"; readonly given: Given }
  | { readonly _tag: "Block"; readonly given: Sources.ByName; readonly origin: Origin }

const part = (name: string, description: string, keys: ReadonlyArray<string>) =>
  optional({
    name,
    hasFlag: false,
    hasVariable: false,
    group: "",
    value: "TEXT",
    description,
    keys,
    schema: Texts.Text
  })

/** The keys of a `prefix` block. Each part counts as it is written, so it can hold `@` and `:`. */
export const parts = {
  source: part("source", "replicate the keys that begin with this", ["source"]),
  datacenter: part("datacenter", "datacenter to replicate from, -src unless given", ["datacenter", "dc"]),
  destination: part("destination", "what takes its place at the destination, the same unless given", [
    "destination"
  ]),
  status: part("status", "key of the status of this prefix", ["status"]),
  excludes: repeated({
    name: "exclude",
    hasFlag: false,
    hasVariable: false,
    group: "",
    value: "PREFIX",
    description: "source keys that begin with this stay as they are at the destination",
    schema: Texts.Exclude
  })
} as const

const prefixBlock = "prefix."

const prefixKeys = Keys.make([...Object.values(parts), ...Object.values(sourceConsul)], prefixBlock)

const excludeBlock = "exclude."

const excludeKeys = Keys.make([parts.source], excludeBlock)

/** The parts of a text between commas, or the elements of a list as they are, as in 0.4.0. Undefined for a number or a truth. */
const texts = (value: Value): ReadonlyArray<Value> | undefined => {
  switch (value._tag) {
    case "Text":
      return value.text.split(",").map((text) => ({ ...value, text }))
    case "List":
      return value.values
    case "Block":
      return [value]
    case "Number":
    case "Truth":
      return undefined
  }
}

const needs = (file: string, key: string, at: Position) =>
  Keys.wrong(file, key, at, `needs a text in quotes or a block; write ${key} { source = "…" }`)

/** The texts of an `exclude`, with or without a block around each. */
const excludes = (
  reading: Keys.Reading,
  { key, labels, value }: Item
): Either.Either<ReadonlyArray<Given>, WrongUse> =>
  Either.gen(function* () {
    const { file } = reading
    const given: Array<Given> = labels.map(({ at, name }) => ({
      text: name,
      origin: Keys.originOf(file, "exclude", at)
    }))
    const values = texts(value)
    if (values === undefined) return yield* Either.left(needs(file, "exclude", value.at))
    for (const each of values) {
      if (each._tag === "Text") {
        given.push({ text: each.text, origin: Keys.originOf(file, "exclude", each.at) })
      } else if (each._tag === "Block") {
        const inside = Keys.reading(file)
        yield* Keys.read(inside, excludeKeys, each.items, excludeBlock)
        given.push(...(inside.given.get(parts.source.name) ?? []))
      } else return yield* Either.left(needs(file, "exclude", each.at))
    }
    return given.length > 0
      ? given
      : yield* Either.left(
          Keys.wrong(
            file,
            "exclude",
            key.at,
            'has no source, and would exclude every key; write exclude { source = "…" }'
          )
        )
  })

const block = (reading: Keys.Reading, items: ReadonlyArray<Item>, at: Position) =>
  Either.gen(function* () {
    const { file, warnings } = reading
    const inside: Keys.Reading = { ...Keys.reading(file), warnings }
    const isExclude = ({ key }: Item) => key.name.toLowerCase() === "exclude"
    yield* Keys.read(
      inside,
      prefixKeys,
      items.filter((item) => !isExclude(item)),
      prefixBlock
    )
    for (const item of items.filter(isExclude)) {
      Keys.add(inside, parts.excludes.name, ...(yield* excludes(inside, item)))
    }
    return {
      _tag: "Block",
      given: inside.given,
      origin: Keys.originOf(file, "prefix", at)
    } satisfies PrefixEntry
  })

const prefixes = (
  reading: Keys.Reading,
  { key, labels, value }: Item
): Either.Either<ReadonlyArray<PrefixEntry>, WrongUse> =>
  Either.gen(function* () {
    const { file } = reading
    const values = texts(value)
    if (values === undefined) return yield* Either.left(needs(file, "prefix", value.at))
    const entries: Array<PrefixEntry> = []
    for (const each of values) {
      if (each._tag === "Text") {
        entries.push({
          _tag: "Text",
          given: { text: each.text, origin: Keys.originOf(file, "prefix", each.at) }
        })
      } else if (each._tag === "Block") {
        const [label] = labels
        const source: ReadonlyArray<Item> =
          label === undefined
            ? []
            : [
                {
                  key: { name: "source", at: label.at },
                  labels: [],
                  value: { _tag: "Text", text: label.name, at: label.at }
                }
              ]
        entries.push(yield* block(reading, [...source, ...each.items], key.at))
      } else return yield* Either.left(needs(file, "prefix", each.at))
    }
    return entries
  })

/** The items of a file, by what they are about. */
export interface Split {
  /** From `prefix` items. */
  readonly prefixes: ReadonlyArray<PrefixEntry>
  /** From `exclude` items. */
  readonly excludes: ReadonlyArray<Given>
  /** All other items. */
  readonly others: ReadonlyArray<Item>
}

const isText = ({ value }: Item) => value._tag === "Text"

/** Warns of several texts: all of them count here, as a person who writes several means, but in 0.4.0 only the last. */
const warnOfTexts = (reading: Keys.Reading, items: ReadonlyArray<Item>) => {
  const [first, second] = items.filter(isText)
  if (first === undefined || second === undefined) return
  const { key } = first
  Keys.warn(
    reading,
    key.at,
    `${key.name}: stands again on line ${second.key.at.line}; all of them count; in 0.4.0 only the last counted`
  )
}

export const split = (reading: Keys.Reading, items: ReadonlyArray<Item>): Either.Either<Split, WrongUse> =>
  Either.gen(function* () {
    const named = (name: string) => items.filter(({ key }) => key.name.toLowerCase() === name)
    const [prefixItems, excludeItems] = [named("prefix"), named("exclude")]
    warnOfTexts(reading, prefixItems)
    warnOfTexts(reading, excludeItems)
    return {
      prefixes: (yield* Either.all(prefixItems.map((item) => prefixes(reading, item)))).flat(),
      excludes: (yield* Either.all(excludeItems.map((item) => excludes(reading, item)))).flat(),
      others: items.filter((item) => !prefixItems.includes(item) && !excludeItems.includes(item))
    }
  })
