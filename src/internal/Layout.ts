/**
 * How a prefix is divided, so that a change of one key is found without reading all of them: ranges of about as many
 * keys each, chosen from the keys that are there.
 *
 * Ranges are prefixes, since those are all that Consul can be asked for. A range of too many keys is divided by the
 * character that follows what all of its keys have in common: keys `k000` to `k999` into `k0` to `k9`. A key that ends
 * there is a range of its own. So the ranges of a layout are disjoint, and every key that was there is in one of them;
 * a key that is new can fall between them.
 *
 * A range that no path of a URL can name (`a//`) is read with all that its longest part holds that one can, and asked for
 * as that is: it gets no blocking query, and is not divided.
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
 * `loose` are ranges without a blocking query. `keys` is how many keys the layout was made for, `most` how many of them a
 * range may hold: more than asked for where one cannot be divided.
 */
export interface Layout {
  readonly shards: ReadonlyArray<Shard>
  readonly loose: ReadonlyArray<KeyRange>
  readonly keys: number
  readonly most: number
}

/** Some of the sorted keys, from `low` up to but not with `high`. */
interface Node {
  readonly range: KeyRange
  readonly low: number
  readonly high: number
}

/** Whether a path can name it: the empty one is the whole store. */
const canName = ({ exact, prefix }: KeyRange): boolean => isNameable(prefix) || (prefix === "" && !exact)

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

/** One that holds these keys and no other of the node, and can be named; of two the wider, which finds more new keys. */
const rangeOf = (names: ReadonlyArray<string>, prefix: string, low: number, high: number): KeyRange =>
  [
    under(prefix),
    under(commonPrefix(names, { range: under(prefix), low, high })),
    ...(high - low === 1 ? [only(names[low] ?? "")] : [])
  ].find(canName) ?? under(prefix)

/** By the character after the common prefix. None where that would be no division, or one that cannot be read by itself. */
const split = (names: ReadonlyArray<string>, node: Node): ReadonlyArray<Node> | undefined => {
  if (!canName(node.range) || node.range.exact || node.high - node.low < 2) return undefined
  const common = commonPrefix(names, node)
  const children: Array<Node> = []
  for (let low = node.low; low < node.high; ) {
    const name = names[low] ?? ""
    const isKey = name.length === common.length
    const prefix = isKey ? name : common + String.fromCodePoint(name.codePointAt(common.length) ?? 0)
    const high = isKey ? low + 1 : endOf(names, prefix, low, node.high)
    children.push({ range: isKey ? only(name) : rangeOf(names, prefix, low, high), low, high })
    low = high
  }
  return children
}

const sizeOf = ({ high, low }: Node): number => high - low

const byPrefix = (a: KeyRange, b: KeyRange): number =>
  a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0

/** The ranges of at most `keysEach` keys that a node is made of, as far as it can be divided. */
const partsOf = (
  names: ReadonlyArray<string>,
  node: Node,
  keysEach: number
): { readonly parts: ReadonlyArray<KeyRange>; readonly most: number } => {
  const parts: Array<KeyRange> = []
  let most = 0
  const open = [node]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const divided = sizeOf(next) > keysEach ? split(names, next) : undefined
    if (divided === undefined) {
      parts.push(next.range)
      most = Math.max(most, sizeOf(next))
    } else {
      open.push(...divided)
    }
  }
  return { parts: parts.sort(byPrefix), most }
}

const root = (prefix: string, names: ReadonlyArray<string>): Node => ({
  range: under(prefix),
  low: 0,
  high: names.length
})

/** Reading so many ranges that no path can name, each with much else, is no worse than reading everything. */
const mostUnnameable = 8

const isCheap = (ranges: ReadonlyArray<KeyRange>): boolean =>
  ranges.filter((range) => !canName(range)).length <= mostUnnameable

/**
 * The ranges to read a prefix in, one after another; `names` are all of its keys, {@link sorted}.
 */
export const ranges = (
  prefix: string,
  names: ReadonlyArray<string>,
  keysEach: number
): ReadonlyArray<KeyRange> => {
  const { parts } = partsOf(names, root(prefix, names), keysEach)
  return isCheap(parts) ? parts : [under(prefix)]
}

/**
 * The ranges to watch a prefix in; `names` are all of its keys, {@link sorted}. The largest are divided first, as long
 * as there are blocking queries for what they are divided into.
 */
export const make = (prefix: string, names: ReadonlyArray<string>, limits: Limits): Layout => {
  const { keysEach, shards } = limits
  let open: ReadonlyArray<Node> = [root(prefix, names)]
  const loose: Array<Node> = []
  const whole: Array<Node> = []
  while (open.length > 0) {
    const [largest, ...others] = [...open].sort((a, b) => sizeOf(b) - sizeOf(a))
    if (largest === undefined || sizeOf(largest) <= keysEach) break
    const divided = split(names, largest)
    const isRoot = whole.length + others.length === 0 && largest.range.prefix === prefix
    const room = shards - whole.length - others.length
    const children = (divided ?? [])
      .filter(({ range }) => canName(range))
      .sort((a, b) => sizeOf(b) - sizeOf(a))
    if (divided === undefined || (children.length > room && !isRoot)) {
      if (canName(largest.range)) whole.push(largest)
      else loose.push(largest)
      open = others
      continue
    }
    // A query for the whole would be told of every change: there the smallest go without.
    loose.push(...children.slice(room), ...divided.filter(({ range }) => !canName(range)))
    open = [...others, ...children.slice(0, room)]
  }
  const divide = (node: Node) => ({ range: node.range, ...partsOf(names, node, keysEach) })
  const watched = [...whole, ...open].map(divide)
  const unwatched = loose.map(divide)
  return {
    shards: watched.map(({ parts, range }) => ({ range, parts })).sort((a, b) => byPrefix(a.range, b.range)),
    loose: unwatched.flatMap(({ parts }) => parts).sort(byPrefix),
    keys: names.length,
    most: Math.max(keysEach, ...[...watched, ...unwatched].map(({ most }) => most))
  }
}

/** Ranges without a query are looked at one by one at every change, wherever it is. */
const mostLoose = 64

/** Whether a prefix is better watched in the parts of a layout than as a whole. */
export const isWorthwhile = ({ loose, shards }: Layout): boolean =>
  shards.length > 0 &&
  loose.length <= mostLoose &&
  isCheap([...loose, ...shards.flatMap(({ parts }) => parts)])

/**
 * Whether a layout still serves for the keys that there are now, {@link sorted}: each is in a range, no range is empty or
 * has grown to twice what it may hold, and there are about as many as it was made for.
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
    else return false
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
