/**
 * The writes that wake a blocked query.
 *
 * A query on a key or prefix that exists is woken by writes of its keys. A query on an absent key or an empty prefix waits on the
 * node of Consul's radix tree at which its search ended. So writes of keys nearby wake the query too. Its index is that of the whole
 * store, so it answers with unchanged content and a higher index. Clients see these answers. Therefore this file computes the nodes
 * of the tree, which are the points where keys branch.
 */
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import type { KeyChange } from "./Command.js"
import type { Entry } from "./Store.js"

type Keys = OrderedMap.OrderedMap<Entry>

/** A code unit above every byte. */
const beyond = "\u0100"

/** A key as it is in Consul's tree, which ends each key with a NUL: so no key is a prefix of another. */
const terminated = (key: ByteString | undefined): ByteString | undefined =>
  key === undefined ? undefined : `${key}\0`

const common = (a: ByteString, b: ByteString | undefined): ByteString => {
  if (b === undefined) return ""
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return a.slice(0, length)
}

const longer = (a: ByteString, b: ByteString): ByteString => (a.length >= b.length ? a : b)

/** Whether a commit wakes a query on one key. */
export const wakesKey =
  (key: ByteString) =>
  (before: Keys, after: Keys, changes: ReadonlyArray<KeyChange>): boolean =>
    OrderedMap.has(before, key)
      ? changes.some((change) => change.key === key)
      : wakesAbsent(`${key}\0`, before, after, changes)

/** Whether a commit wakes a query on a prefix. */
export const wakesPrefix =
  (prefix: ByteString) =>
  (before: Keys, after: Keys, changes: ReadonlyArray<KeyChange>): boolean => {
    if (changes.some((change) => change.key.startsWith(prefix))) return true
    const first = OrderedMap.keyAtOrAbove(before, prefix)
    return first?.startsWith(prefix) !== true && wakesAbsent(prefix, before, after, changes)
  }

/**
 * Whether a commit wakes a query on `sought`, an absent key (with its NUL) or an empty prefix. The search for it ended at the topmost
 * node below the last byte that `sought` shares with a key. A change wakes the query if the path of its key leads into that node, or
 * if it removes the parent of the node.
 */
const wakesAbsent = (
  sought: ByteString,
  before: Keys,
  after: Keys,
  changes: ReadonlyArray<KeyChange>
): boolean => {
  if (changes.length === 0) return false
  const matched = longer(
    common(sought, terminated(OrderedMap.keyBelow(before, sought))),
    common(sought, terminated(OrderedMap.keyAtOrAbove(before, sought)))
  )
  if (matched === "") return true
  const node = nodeBelow(before, matched)
  const parent = parentOf(before, node)
  const edge = node.slice(0, parent.length + 1)
  if (changes.some((change) => `${change.key}\0`.startsWith(edge))) return true
  return parent !== "" && parentOf(after, node).length < parent.length
}

const nodeBelow = (keys: Keys, path: ByteString): ByteString => {
  const first = terminated(OrderedMap.keyAtOrAbove(keys, path)) ?? path
  return common(first, terminated(OrderedMap.keyBelow(keys, path + beyond)))
}

const parentOf = (keys: Keys, node: ByteString): ByteString =>
  longer(
    common(node, terminated(OrderedMap.keyBelow(keys, node.endsWith("\0") ? node.slice(0, -1) : node))),
    common(node, terminated(OrderedMap.keyAtOrAbove(keys, node + beyond)))
  )
