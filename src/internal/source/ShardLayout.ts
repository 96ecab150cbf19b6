/**
 * How a prefix is divided, so that a change of one key is found without reading all of them: ranges of about as many
 * keys each, chosen from the keys that are there.
 *
 * Ranges are prefixes, since those are all that Consul can be asked for. A range of too many keys is divided by the
 * character that follows what all of its keys have in common: keys `k000` to `k999` into `k0` to `k9`. A key that ends
 * there is a range of its own. So the ranges of a layout are disjoint, and every key that was there is in one of them;
 * a key that is new can fall between them.
 *
 * A range that no path of a URL can name (`a//`) cannot be waited for, only for the nearest that one can, which moves more
 * often: it gets no blocking query.
 */
import * as Effect from "effect/Effect"
import { contains, equals, type KeyRange, only, under } from "../../KeyRange.js"
import { breathe } from "../effect/EventLoop.js"

/** Whether a path can carry a name, as far as the answers of the source have shown. */
export type IsNameable = (name: string) => boolean

/**
 * What a range may hold before it is divided. `cumulative` has, for each of the names, how many bytes the keys before it
 * have together; none where the number of keys decides.
 */
export interface Size {
  readonly keysEach: number
  readonly bytesEach?: number | undefined
  readonly cumulative?: Float64Array | undefined
}

/** `shards` is the most blocking queries at once. */
export interface Limits extends Size {
  readonly shards: number
  readonly isNameable: IsNameable
}

/**
 * A range with a blocking query of its own. `parts` are what is read when it has changed: itself, or, where it holds
 * more than `keysEach` and there were no more queries to be had, the ranges that it is made of.
 */
export interface Shard {
  readonly range: KeyRange
  readonly parts: ReadonlyArray<KeyRange>
}

/** A range that is read at once, and how many keys it held when the layout was made. */
interface RangeSize {
  readonly range: KeyRange
  readonly keys: number
}

/**
 * `loose` are ranges without a blocking query. `all` are the parts of the shards and the loose ranges, in order, for
 * `keys` in all, of which `watched` are in shards. A range holds up to `keysEach`, or more where it cannot be divided.
 */
export interface Layout {
  readonly shards: ReadonlyArray<Shard>
  readonly unwatched: ReadonlyArray<KeyRange>
  readonly all: ReadonlyArray<RangeSize>
  readonly keys: number
  readonly watched: number
  readonly keysEach: number
}

/** Some of the sorted keys, from `low` up to but not with `high`. */
interface Node {
  readonly range: KeyRange
  readonly low: number
  readonly high: number
}

/** What can be asked for, and how much of it at once. */
interface Rules {
  /** Whether a path can name it: the empty one is the whole store. */
  readonly canName: (range: KeyRange) => boolean
  /** Whether a path can name something that begins with it: `.` is a path's own, and `.env` is not. */
  readonly canNameLonger: (prefix: string) => boolean
  readonly isTooHeavy: (node: Node) => boolean
  /** In keys: bytes count for as many as would share what a range may have of them. */
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

/** Holds these keys and no other of the node: the wider of two that a path can name, which finds more new keys. */
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
 * By the character after the common prefix; a child that no path can name is divided further where that helps. None
 * where it would be no division, or where no child could be named: then it is one read for as much as several, unless
 * that is too heavy.
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
 * Divides nodes of more than `keysEach` keys, the largest first, as long as there are no more than `most` of them, and as
 * far as they can be divided; those that are too heavy in any case.
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
      // Without a limit, which comes first is the same.
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

/**
 * The ranges to read a prefix in, one after another; `names` are all of its keys, sorted.
 */
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

/** Ranges without a query are looked at one by one at every change, wherever it is. */
const mostLoose = 64

/** That leaves room for some that come and go. */
const someLoose = 48

/**
 * The ranges to watch a prefix in; `names` are all of its keys, sorted. The largest are divided first, as long
 * as there are blocking queries for what they are divided into.
 */
export const make = (prefix: string, names: ReadonlyArray<string>, limits: Limits): Layout => {
  const { isNameable, keysEach, shards } = limits
  const rules = rulesOf(limits, isNameable)
  const { canName, sizeOf } = rules
  const order = largestFirst(rules)
  let open: ReadonlyArray<Node> = [root(prefix, names)]
  const loose: Array<Node> = []
  const whole: Array<Node> = []
  while (open.length > 0) {
    const [largest, ...others] = [...open].sort(order)
    if (largest === undefined || sizeOf(largest) <= keysEach) break
    const divided = split(rules, names, largest)
    const isRoot = whole.length + others.length === 0 && largest.range.prefix === prefix
    const room = shards - whole.length - others.length
    const children = (divided ?? []).filter(({ range }) => canName(range)).sort(order)
    if (divided === undefined || (children.length > room && !isRoot)) {
      whole.push(largest)
      open = others
      continue
    }
    // A query for the whole would be told of every change: there the smallest go without.
    loose.push(...children.slice(room), ...divided.filter(({ range }) => !canName(range)))
    open = [...others, ...children.slice(0, room)]
  }
  return layoutOf(rules, names, limits, [...whole, ...open], loose)
}

/**
 * The ranges of a prefix without a query for any of them, for whoever has one for the whole and looks at them when it is
 * answered.
 */
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
  loose: ReadonlyArray<Node>
): Layout => {
  const sized = (node: Node): RangeSize => ({ range: node.range, keys: keysOf(node) })
  const watched = queried.map((node) => ({
    range: node.range,
    parts: divide(rules, names, [node], keysEach, Number.POSITIVE_INFINITY).map(sized)
  }))
  const most = queried.length === 0 ? Number.POSITIVE_INFINITY : someLoose
  const unwatched = divide(rules, names, loose, keysEach, most).map(sized)
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
 * Whether a prefix is better watched in the parts of a layout than as a whole: most of its keys are in shards, and not in
 * one of everything. `isNew` asks for some room, so that a key that comes and goes does not change the answer each time.
 */
export const isBetterThanOneQuery = (prefix: string, layout: Layout, isNew: boolean): boolean => {
  const { keys, unwatched: loose, shards, watched } = layout
  return (
    loose.length <= (isNew ? someLoose : mostLoose) &&
    watched >= keys * (isNew ? 0.4 : 0.3) &&
    !shards.some(({ range }) => equals(range, under(prefix)))
  )
}

/** Whether paths can still name all that is waited for: the source may have refused a name since. */
export const isNameable = ({ shards }: Layout, isNameable: IsNameable): boolean =>
  shards.every(({ range: { prefix } }) => prefix === "" || isNameable(prefix))

/** Names that are gone through in one turn of the event loop: some 10 ms. */
const namesAtOnce = 50_000

/**
 * Whether a layout still serves for the keys that there are now, {@link sorted}: each is in a range, no range is empty or
 * has grown to twice what it may hold, and there are about as many as it was made for.
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
