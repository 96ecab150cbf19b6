/**
 * How a prefix is divided into ranges of about the same number of keys, so that a change of one key is read without all others.
 *
 * Ranges are prefixes, because Consul can be asked only for prefixes. A range of too many keys is divided by the character after
 * the common prefix of its keys: keys `k000` to `k999` into `k0` to `k9`. A key that ends there is a range of its own. So the
 * ranges of a layout are disjoint, and every listed key is in one of them. A new key can be in none.
 *
 * A range that no path of a URL can name (`a//`) gets no blocking query. Consul would wait for the nearest range that a path can
 * name, whose index moves more often.
 */
import * as Effect from "effect/Effect"
import { contains, equals, type KeyRange, only, under } from "../../KeyRange.js"
import { breathe } from "../effect/EventLoop.js"

/** Whether a path can carry a name, as far as the answers of the source have shown. */
export type IsNameable = (name: string) => boolean

/** How large a range may be before it is divided. */
export interface Size {
  /** The most keys of a range. */
  readonly keysEach: number
  /** The most bytes of a range. */
  readonly bytesEach?: number | undefined
  /** For each of the names, how many bytes the keys before it have together; none if only the number of keys decides. */
  readonly cumulative?: Float64Array | undefined
}

export interface Limits extends Size {
  /** The most blocking queries at once. */
  readonly shards: number
  readonly isNameable: IsNameable
}

/** A range with a blocking query of its own. */
export interface Shard {
  readonly range: KeyRange
  /** The ranges to read after a change: the range itself, or several if it has more than `keysEach` keys. */
  readonly parts: ReadonlyArray<KeyRange>
}

/** A range that is read at once. */
interface RangeSize {
  readonly range: KeyRange
  /** How many keys the range had when the layout was made. */
  readonly keys: number
}

export interface Layout {
  readonly shards: ReadonlyArray<Shard>
  /** Ranges without a blocking query. */
  readonly unwatched: ReadonlyArray<KeyRange>
  /** The parts of all shards and the unwatched ranges, in order. */
  readonly all: ReadonlyArray<RangeSize>
  /** Number of keys in `all`. */
  readonly keys: number
  /** Number of keys in shards. */
  readonly watched: number
  /** The most keys of a range in `all`. A range that cannot be divided can have more. */
  readonly keysEach: number
}

/** A range, and where its keys are among the sorted names. */
interface Node {
  readonly range: KeyRange
  /** Position of the first key. */
  readonly low: number
  /** Position after the last key. */
  readonly high: number
}

/** The properties of ranges and nodes that a layout depends on. */
interface Rules {
  /** Whether a path can name the range. The empty path is the whole store. */
  readonly canName: (range: KeyRange) => boolean
  /** Whether a path can name a longer prefix: no path can name `.`, and one can name `.env`. */
  readonly canNameLonger: (prefix: string) => boolean
  /** Whether the keys have more bytes than a range may have. */
  readonly isTooHeavy: (node: Node) => boolean
  /** The size in keys. A node that has its limit of bytes counts as `keysEach` keys, whatever their number. */
  readonly sizeOf: (node: Node) => number
}

const rulesOf = ({ bytesEach = 0, cumulative, keysEach }: Size, isNameable: IsNameable): Rules => {
  const shareOf = ({ high, low }: Node) =>
    cumulative === undefined ? 0 : ((cumulative[high] ?? 0) - (cumulative[low] ?? 0)) / bytesEach
  return {
    canName: ({ exact, prefix }) => isNameable(prefix) || (prefix === "" && !exact),
    canNameLonger: (prefix) => isNameable(`${prefix}x`),
    isTooHeavy: (node) => shareOf(node) > 1,
    sizeOf: (node) => Math.max(node.high - node.low, shareOf(node) * keysEach)
  }
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

/** The longest prefix of all keys of a node: that of the first and the last. It never ends with half of a character. */
const commonPrefix = (names: ReadonlyArray<string>, { high, low }: Node): string => {
  const first = names[low] ?? ""
  const last = names[high - 1] ?? ""
  let length = 0
  while (length < first.length && first.charCodeAt(length) === last.charCodeAt(length)) length += 1
  if (length > 0 && isHighSurrogate(first.charCodeAt(length - 1))) length -= 1
  return first.slice(0, length)
}

/** The position after the last key that begins with `prefix`. The key at `from` begins with it. */
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

/** A range with the keys from `low` to `high` and no others: the wider of two that a path can name, which has more new keys. */
const rangeOf = (
  { canName }: Rules,
  names: ReadonlyArray<string>,
  prefix: string,
  low: number,
  high: number
): KeyRange => {
  const wider = under(prefix)
  const narrower = under(commonPrefix(names, { range: wider, low, high }))
  return [wider, narrower].find(canName) ?? wider
}

/**
 * Divides a node by the character after the common prefix. A child that no path can name is divided further if that helps. None
 * for a single key. Also none if a path can name no child and the node is not too heavy: one read is better than several.
 */
const split = (rules: Rules, names: ReadonlyArray<string>, node: Node): ReadonlyArray<Node> | undefined => {
  const { canName, canNameLonger } = rules
  if (node.range.exact || node.high - node.low < 2) return undefined
  const common = commonPrefix(names, node)
  const children: Array<Node> = []
  for (let low = node.low; low < node.high; ) {
    const name = names[low] ?? ""
    const isKey = name.length === common.length
    const prefix = isKey ? name : common + String.fromCodePoint(name.codePointAt(common.length) ?? 0)
    const high = isKey ? low + 1 : endOf(names, prefix, low, node.high)
    const child = { range: isKey ? only(name) : rangeOf(rules, names, prefix, low, high), low, high }
    const divided = canName(child.range) || !canNameLonger(prefix) ? undefined : split(rules, names, child)
    if (divided === undefined) children.push(child)
    else children.push(...divided)
    low = high
  }
  return rules.isTooHeavy(node) || children.some(({ range }) => canName(range)) ? children : undefined
}

const keysOf = ({ high, low }: Node): number => high - low

const smallestFirst =
  ({ sizeOf }: Rules) =>
  (a: Node, b: Node): number =>
    sizeOf(a) - sizeOf(b)

const largestFirst =
  ({ sizeOf }: Rules) =>
  (a: Node, b: Node): number =>
    sizeOf(b) - sizeOf(a)

const byPrefix = (a: KeyRange, b: KeyRange): number =>
  a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0

/**
 * Divides nodes of more than `keysEach` keys, the largest first, as long as that makes no more than `most` nodes. A node that is
 * too heavy is divided in any case.
 */
const divide = (
  rules: Rules,
  names: ReadonlyArray<string>,
  nodes: ReadonlyArray<Node>,
  keysEach: number,
  most: number
): ReadonlyArray<Node> => {
  const done: Array<Node> = []
  const order = smallestFirst(rules)
  const open = [...nodes].sort(order)
  for (let largest = open.pop(); largest !== undefined; largest = open.pop()) {
    const children = rules.sizeOf(largest) > keysEach ? split(rules, names, largest) : undefined
    const isMuch = done.length + open.length + (children?.length ?? 0) > most
    if (children === undefined || (isMuch && !rules.isTooHeavy(largest))) done.push(largest)
    else {
      for (const child of children) open.push(child)
      // Without a limit, the order makes no difference.
      if (most < Number.POSITIVE_INFINITY) open.sort(order)
    }
  }
  return done.sort((a, b) => byPrefix(a.range, b.range))
}

const root = (prefix: string, names: ReadonlyArray<string>): Node => ({
  range: under(prefix),
  low: 0,
  high: names.length
})

/** The ranges to read a prefix in, one after another. `names` are all of its keys, sorted. */
export const ranges = (
  prefix: string,
  names: ReadonlyArray<string>,
  size: Size,
  isNameable: IsNameable
): ReadonlyArray<KeyRange> =>
  divide(
    rulesOf(size, isNameable),
    names,
    [root(prefix, names)],
    size.keysEach,
    Number.POSITIVE_INFINITY
  ).map(({ range }) => range)

/** The most ranges without a query: each of them is looked at after every change of the prefix. */
const mostUnwatched = 64

/** The most ranges without a query in a new layout. It leaves room for ranges that come and go. */
const someUnwatched = 48

/**
 * A layout with shards. `names` are all keys of the prefix, sorted. The largest range is divided first, as long as there are
 * blocking queries for its children.
 */
export const make = (prefix: string, names: ReadonlyArray<string>, limits: Limits): Layout => {
  const { isNameable, keysEach, shards } = limits
  const rules = rulesOf(limits, isNameable)
  const { canName, sizeOf } = rules
  const order = largestFirst(rules)
  let open: ReadonlyArray<Node> = [root(prefix, names)]
  const unwatched: Array<Node> = []
  const undivided: Array<Node> = []
  while (open.length > 0) {
    const [largest, ...others] = [...open].sort(order)
    if (largest === undefined || sizeOf(largest) <= keysEach) break
    const divided = split(rules, names, largest)
    const isRoot = undivided.length + others.length === 0 && largest.range.prefix === prefix
    const room = shards - undivided.length - others.length
    const children = (divided ?? []).filter(({ range }) => canName(range)).sort(order)
    if (divided === undefined || (children.length > room && !isRoot)) {
      undivided.push(largest)
      open = others
      continue
    }
    // A query for the whole prefix would be answered at every change: the root is divided, and its smallest children get none.
    unwatched.push(...children.slice(room), ...divided.filter(({ range }) => !canName(range)))
    open = [...others, ...children.slice(0, room)]
  }
  return layoutOf(rules, names, limits, [...undivided, ...open], unwatched)
}

/** A layout without shards: one query for the whole prefix stands for all ranges, which are looked at when it is answered. */
export const unwatched = (prefix: string, names: ReadonlyArray<string>, limits: Limits): Layout => {
  const rules = rulesOf(limits, limits.isNameable)
  const all = divide(rules, names, [root(prefix, names)], limits.keysEach, Number.POSITIVE_INFINITY)
  return layoutOf(rules, names, limits, [], all)
}

const layoutOf = (
  rules: Rules,
  names: ReadonlyArray<string>,
  { keysEach }: Limits,
  queried: ReadonlyArray<Node>,
  unqueried: ReadonlyArray<Node>
): Layout => {
  const sized = (node: Node): RangeSize => ({ range: node.range, keys: keysOf(node) })
  const watched = queried.map((node) => ({
    range: node.range,
    parts: divide(rules, names, [node], keysEach, Number.POSITIVE_INFINITY).map(sized)
  }))
  const most = queried.length === 0 ? Number.POSITIVE_INFINITY : someUnwatched
  const unwatched = divide(rules, names, unqueried, keysEach, most).map(sized)
  return {
    shards: watched
      .map(({ parts, range }) => ({ range, parts: parts.map(({ range }) => range) }))
      .sort((a, b) => byPrefix(a.range, b.range)),
    unwatched: unwatched.map(({ range }) => range),
    all: [...watched.flatMap(({ parts }) => parts), ...unwatched].sort((a, b) => byPrefix(a.range, b.range)),
    keys: names.length,
    watched: queried.reduce((sum, node) => sum + keysOf(node), 0),
    keysEach
  }
}

/**
 * Whether a layout is better than one query for the whole prefix: most keys are in shards, and none of the shards is the whole
 * prefix. With `isNew` it must be clearly better, so that a key that comes and goes does not change the answer each time.
 */
export const isBetterThanOneQuery = (prefix: string, layout: Layout, isNew: boolean): boolean => {
  const { keys, shards, unwatched, watched } = layout
  return (
    unwatched.length <= (isNew ? someUnwatched : mostUnwatched) &&
    watched >= keys * (isNew ? 0.4 : 0.3) &&
    !shards.some(({ range }) => equals(range, under(prefix)))
  )
}

/** Whether paths can still name the range of each shard: an answer of the source may have shown that one cannot. */
export const isNameable = ({ shards }: Layout, isNameable: IsNameable): boolean =>
  shards.every(({ range: { prefix } }) => prefix === "" || isNameable(prefix))

/** How many names are compared in one turn of the event loop: that takes about 10 ms. */
const namesAtOnce = 50_000

/**
 * Whether a layout still fits the keys that there are now, `names`, sorted: each is in a range, no range is empty or has twice as
 * many keys as it may have, and there are at least half and at most twice as many keys as it was made for.
 */
export const stillFits = Effect.fnUntraced(function* (layout: Layout, names: ReadonlyArray<string>) {
  if (names.length > 2 * layout.keys || names.length < layout.keys / 2) return false
  const { all, keysEach } = layout
  const counts = new Array<number>(all.length).fill(0)
  let at = 0
  for (let low = 0; low < names.length; low += namesAtOnce) {
    if (low > 0) yield* breathe
    for (let i = low; i < Math.min(names.length, low + namesAtOnce); i++) {
      const name = names[i] ?? ""
      while (at + 1 < all.length && (all[at + 1]?.range.prefix ?? "") <= name) at += 1
      const one = all[at]
      if (one === undefined || !contains(one.range, name)) return false
      counts[at] = (counts[at] ?? 0) + 1
    }
  }
  return all.every(({ keys }, i) => {
    const count = counts[i] ?? 0
    return count > 0 && count <= 2 * Math.max(keysEach, keys)
  })
})

/** How many names the separator is chosen by. */
const sample = 256

/**
 * The character for the shortest listing of names. Consul cuts names off behind it and lists each result once. The index of such
 * a listing is that of the whole prefix.
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
