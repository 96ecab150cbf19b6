/**
 * Which writes wake a blocked query.
 *
 * A query on something that exists is woken by what it is about. A query on an absent key or an empty prefix has
 * nothing of its own to wait on: Consul lets it wait on the node of its radix tree where the search ended, so writes
 * nearby wake it too, and as its index is the whole store's, it then answers, unchanged and with a higher index.
 * Clients see those answers, therefore the tree is reckoned here: its nodes are where the keys branch.
 */
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import type { KeyChange } from "./Command.js"
import type { Entry } from "./Store.js"

type Keys = OrderedMap.OrderedMap<Entry>

/** Above every byte. */
const beyond = "\u0100"

/** Consul's index ends each key with a NUL, so that no key is a prefix of another. */
const terminated = (key: ByteString | undefined): ByteString | undefined =>
  key === undefined ? undefined : `${key}\0`

const common = (a: ByteString, b: ByteString | undefined): ByteString => {
  if (b === undefined) return ""
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return a.slice(0, length)
}

const longer = (a: ByteString, b: ByteString): ByteString => (a.length >= b.length ? a : b)

/** A query on one key. */
export const wakesKey =
  (key: ByteString) =>
  (before: Keys, after: Keys, changes: ReadonlyArray<KeyChange>): boolean =>
    OrderedMap.has(before, key)
      ? changes.some((change) => change.key === key)
      : wakesAbsent(`${key}\0`, before, after, changes)

/** A query on a prefix. */
export const wakesPrefix =
  (prefix: ByteString) =>
  (before: Keys, after: Keys, changes: ReadonlyArray<KeyChange>): boolean => {
    if (changes.some((change) => change.key.startsWith(prefix))) return true
    const first = OrderedMap.keyAtOrAbove(before, prefix)
    return first?.startsWith(prefix) !== true && wakesAbsent(prefix, before, after, changes)
  }

/**
 * `sought` is what the search went for and didn't find. The search ended at the topmost node below the last byte that
 * it had in common with a key; a change wakes it when its own way down leads into that node, or takes away its parent.
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
