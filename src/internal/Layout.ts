/**
 * How a prefix is divided, so that a change of one key is found without reading all of them: ranges of about as many
 * keys each, chosen from the keys that are there.
 *
 * Ranges are prefixes, since those are all that Consul can be asked for. A range of too many keys is divided by the
 * character that follows what all of its keys have in common: keys `k000` to `k999` into `k0` to `k9`. A key that ends
 * there is a range of its own. So the ranges of a layout are disjoint, and every key that was there is in one of them,
 * but for keys whose names no path of a URL can begin with; a key that is new can fall between them.
 */
import { contains, type KeyRange, only, under } from "../KeyRange.js"
import { isNameable } from "./consul/keyPath.js"

/** `shards` is the most blocking queries at once, `keysEach` how many keys a range may hold before it is divided. */
export interface Limits {
  readonly shards: number
  readonly keysEach: number
}

/**
 * A range with a blocking query of its own. `parts` are what is read when it has changed: itself, or, where it holds
 * more than `keysEach` and there were no more queries to be had, the ranges that it is made of.
 */
export interface Shard {
  readonly range: KeyRange
  readonly parts: ReadonlyArray<KeyRange>
}

/**
 * `loose` are ranges without a blocking query. `isComplete` is false where some key is in no range. `keys` is how many
 * keys the layout was made for, `most` how many of them a range may hold: more than asked for where one cannot be
 * divided.
 */
export interface Layout {
  readonly shards: ReadonlyArray<Shard>
  readonly loose: ReadonlyArray<KeyRange>
  readonly isComplete: boolean
  readonly keys: number
  readonly most: number
}

/** Some of the sorted keys, from `low` up to but not with `high`. */
interface Node {
  readonly range: KeyRange
  readonly low: number
  readonly high: number
}

interface Split {
  readonly children: ReadonlyArray<Node>
  /** Whether each key is in a child. */
  readonly isComplete: boolean
}

/** A range without keys is none that anything could be read of; one at the very top is the whole store. */
const canRead = ({ exact, prefix }: KeyRange): boolean => isNameable(prefix) || (prefix === "" && !exact)

/** Ascending by UTF-16 code units. Consul's order is that of the bytes, which is the same for nearly all keys. */
export const sorted = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  for (let i = 1; i < names.length; i++) {
    if ((names[i - 1] ?? "") > (names[i] ?? "")) return [...names].sort()
  }
  return names
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

/** What all keys of a node begin with: what the first and the last have in common. Never half of a character. */
const commonPrefix = (names: ReadonlyArray<string>, { high, low }: Node): string => {
  const first = names[low] ?? ""
  const last = names[high - 1] ?? ""
  let length = 0
  while (length < first.length && first.charCodeAt(length) === last.charCodeAt(length)) length += 1
  if (length > 0 && isHighSurrogate(first.charCodeAt(length - 1))) length -= 1
  return first.slice(0, length)
}

/** Where the keys of a node that begin with `prefix` end; the one at `from` does. */
const endOf = (names: ReadonlyArray<string>, prefix: string, from: number, high: number): number => {
  let low = from + 1
  let end = high
  while (low < end) {
    const middle = (low + end) >>> 1
    if ((names[middle] ?? "").startsWith(prefix)) low = middle + 1
    else end = middle
  }
  return low
}

/** A range that can be read and holds these keys and no other of the node; of two the wider, which finds more new keys. */
const rangeOf = (
  names: ReadonlyArray<string>,
  prefix: string,
  low: number,
  high: number
): KeyRange | undefined =>
  [
    under(prefix),
    under(commonPrefix(names, { range: under(prefix), low, high })),
    ...(high - low === 1 ? [only(names[low] ?? "")] : [])
  ].find(canRead)

/** By the character after the common prefix. None where that would be no division. */
const split = (names: ReadonlyArray<string>, node: Node): Split | undefined => {
  if (node.range.exact || node.high - node.low < 2) return undefined
  const common = commonPrefix(names, node)
  const children: Array<Node> = []
  let isComplete = true
  for (let low = node.low; low < node.high; ) {
    const name = names[low] ?? ""
    const isKey = name.length === common.length
    const prefix = isKey ? name : common + String.fromCodePoint(name.codePointAt(common.length) ?? 0)
    const high = isKey ? low + 1 : endOf(names, prefix, low, node.high)
    const range = isKey ? [only(name)].find(canRead) : rangeOf(names, prefix, low, high)
    if (range !== undefined) children.push({ range, low, high })
    else isComplete = false
    low = high
  }
  return children.length === 0 ? undefined : { children, isComplete }
}

const sizeOf = ({ high, low }: Node): number => high - low

const byPrefix = (a: KeyRange, b: KeyRange): number =>
  a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0

/** The ranges of at most `keysEach` keys that a node is made of, as far as it can be divided. */
const partsOf = (
  names: ReadonlyArray<string>,
  node: Node,
  keysEach: number
): { parts: Array<KeyRange>; isComplete: boolean; most: number } => {
  const parts: Array<KeyRange> = []
  let most = 0
  let isComplete = true
  const open = [node]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const divided = sizeOf(next) > keysEach ? split(names, next) : undefined
    if (divided === undefined) {
      parts.push(next.range)
      most = Math.max(most, sizeOf(next))
    } else {
      open.push(...divided.children)
      isComplete &&= divided.isComplete
    }
  }
  return { parts: parts.sort(byPrefix), isComplete, most }
}

const root = (prefix: string, names: ReadonlyArray<string>): Node => ({
  range: under(prefix),
  low: 0,
  high: names.length
})

/**
 * The ranges to read a prefix in, one after another; `names` are all of its keys, {@link sorted}.
 */
export const ranges = (prefix: string, names: ReadonlyArray<string>, keysEach: number) =>
  partsOf(names, root(prefix, names), keysEach)

/**
 * The ranges to watch a prefix in; `names` are all of its keys, {@link sorted}. The largest are divided first, as long
 * as there are blocking queries for what they are divided into.
 */
export const make = (prefix: string, names: ReadonlyArray<string>, limits: Limits): Layout => {
  const { keysEach, shards } = limits
  let open: ReadonlyArray<Node> = [root(prefix, names)]
  const loose: Array<Node> = []
  let isComplete = true
  const whole: Array<Node> = []
  while (open.length > 0) {
    const [largest, ...others] = [...open].sort((a, b) => sizeOf(b) - sizeOf(a))
    if (largest === undefined || sizeOf(largest) <= keysEach) break
    const divided = split(names, largest)
    const isRoot = whole.length + others.length === 0 && largest.range.prefix === prefix
    const room = shards - whole.length - others.length
    if (divided === undefined || (divided.children.length > room && !isRoot)) {
      whole.push(largest)
      open = others
      continue
    }
    const children = [...divided.children].sort((a, b) => sizeOf(b) - sizeOf(a))
    // A query for the whole would be told of every change: there the smallest go without.
    loose.push(...children.slice(room))
    open = [...others, ...children.slice(0, room)]
    isComplete &&= divided.isComplete
  }
  const divide = (node: Node) => ({ range: node.range, ...partsOf(names, node, keysEach) })
  const watched = [...whole, ...open].map(divide)
  const unwatched = loose.map(divide)
  const all = [...watched, ...unwatched]
  return {
    shards: watched.map(({ parts, range }) => ({ range, parts })).sort((a, b) => byPrefix(a.range, b.range)),
    loose: unwatched.flatMap(({ parts }) => parts).sort(byPrefix),
    isComplete: isComplete && all.every((one) => one.isComplete),
    keys: names.length,
    most: Math.max(keysEach, ...all.map(({ most }) => most))
  }
}

/**
 * Whether a layout still serves for the keys that there are now, {@link sorted}: each is in a range, as far as that
 * was so before, no range is empty or has grown to twice what it may hold, and there are about as many as it was made
 * for.
 */
export const serves = (layout: Layout, names: ReadonlyArray<string>): boolean => {
  if (names.length > 2 * layout.keys || names.length < layout.keys / 2) return false
  const all = [...layout.shards.flatMap(({ parts }) => parts), ...layout.loose].sort(byPrefix)
  const counts = new Array<number>(all.length).fill(0)
  let at = 0
  for (const name of names) {
    while (at + 1 < all.length && (all[at + 1]?.prefix ?? "") <= name) at += 1
    const range = all[at]
    if (range !== undefined && contains(range, name)) counts[at] = (counts[at] ?? 0) + 1
    else if (layout.isComplete) return false
  }
  return counts.every((count, i) => count > 0 && (count <= 2 * layout.most || all[i]?.exact === true))
}

/** How many keys tell which separator folds a prefix best. */
const sample = 256

/**
 * The character that stands early in the names of most keys: folded at it, a listing of their names is short, and its
 * index that of the whole prefix all the same.
 */
export const separator = (prefix: string, names: ReadonlyArray<string>): string => {
  const step = Math.max(1, Math.floor(names.length / sample))
  const tails: Array<string> = []
  for (let i = 0; i < names.length; i += step) tails.push((names[i] ?? "").slice(prefix.length))
  let best = { character: "/", heads: Number.POSITIVE_INFINITY }
  for (const character of new Set(["/", ...(tails[0] ?? ""), ...(tails.at(-1) ?? "")])) {
    const heads = new Set(
      tails.map((tail) => {
        const end = tail.indexOf(character)
        return end < 0 ? tail : tail.slice(0, end)
      })
    ).size
    if (heads < best.heads) best = { character, heads }
  }
  return best.character
}
