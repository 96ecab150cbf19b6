/**
 * A persistent map: an AVL tree, ordered by the code units of its keys. For byte strings this is the order of the bytes.
 *
 * The simulated store needs snapshots that cost nothing, a `set` in O(log n), and the values of a prefix in order. Effect's
 * `SortedMap` has no search for a prefix: an iterator would compare keys one by one.
 */
export interface OrderedMap<V> {
  readonly root: Node<V> | undefined
}

interface Node<V> {
  readonly key: string
  readonly value: V
  readonly left: Node<V> | undefined
  readonly right: Node<V> | undefined
  readonly height: number
  readonly size: number
}

const emptyMap: OrderedMap<never> = { root: undefined }

export const empty = <V>(): OrderedMap<V> => emptyMap

export const size = <V>(self: OrderedMap<V>): number => self.root?.size ?? 0

export const get = <V>(self: OrderedMap<V>, key: string): V | undefined => find(self.root, key)?.value

export const has = <V>(self: OrderedMap<V>, key: string): boolean => find(self.root, key) !== undefined

export const set = <V>(self: OrderedMap<V>, key: string, value: V): OrderedMap<V> => ({
  root: insert(self.root, key, value)
})

export const remove = <V>(self: OrderedMap<V>, key: string): OrderedMap<V> =>
  has(self, key) ? { root: without(self.root, key) } : self

export const fromEntries = <V>(entries: Iterable<readonly [string, V]>): OrderedMap<V> => {
  let root: Node<V> | undefined
  for (const [key, value] of entries) root = insert(root, key, value)
  return { root }
}

/** The values whose key starts with the prefix, in the order of their keys. */
export const withPrefix = <V>(self: OrderedMap<V>, prefix: string): Array<V> => {
  const out: Array<V> = []
  collect(self.root, prefix, out)
  return out
}

export const values = <V>(self: OrderedMap<V>): Array<V> => withPrefix(self, "")

/** The greatest key below `key`. */
export const keyBelow = <V>(self: OrderedMap<V>, key: string): string | undefined => {
  let greatest: string | undefined
  for (let node = self.root; node !== undefined; ) {
    if (node.key < key) {
      greatest = node.key
      node = node.right
    } else node = node.left
  }
  return greatest
}

/** The least key that is `key` or above it. */
export const keyAtOrAbove = <V>(self: OrderedMap<V>, key: string): string | undefined => {
  let least: string | undefined
  for (let node = self.root; node !== undefined; ) {
    if (node.key >= key) {
      least = node.key
      node = node.left
    } else node = node.right
  }
  return least
}

// -----------------------------------------------------------------------------
// The tree
// -----------------------------------------------------------------------------

const find = <V>(from: Node<V> | undefined, key: string): Node<V> | undefined => {
  let node = from
  while (node !== undefined && node.key !== key) node = key < node.key ? node.left : node.right
  return node
}

const height = <V>(node: Node<V> | undefined) => node?.height ?? 0

const make = <V>(key: string, value: V, left: Node<V> | undefined, right: Node<V> | undefined): Node<V> => ({
  key,
  value,
  left,
  right,
  height: Math.max(height(left), height(right)) + 1,
  size: (left?.size ?? 0) + (right?.size ?? 0) + 1
})

const balance = <V>(
  key: string,
  value: V,
  left: Node<V> | undefined,
  right: Node<V> | undefined
): Node<V> => {
  const lean = height(left) - height(right)
  if (lean > 1 && left !== undefined) {
    const inner = left.right
    if (inner !== undefined && height(left.left) < height(inner)) {
      const low = make(left.key, left.value, left.left, inner.left)
      return make(inner.key, inner.value, low, make(key, value, inner.right, right))
    }
    return make(left.key, left.value, left.left, make(key, value, inner, right))
  }
  if (lean < -1 && right !== undefined) {
    const inner = right.left
    if (inner !== undefined && height(right.right) < height(inner)) {
      const high = make(right.key, right.value, inner.right, right.right)
      return make(inner.key, inner.value, make(key, value, left, inner.left), high)
    }
    return make(right.key, right.value, make(key, value, left, inner), right.right)
  }
  return make(key, value, left, right)
}

const insert = <V>(node: Node<V> | undefined, key: string, value: V): Node<V> => {
  if (node === undefined) return make(key, value, undefined, undefined)
  if (key === node.key) return make(key, value, node.left, node.right)
  return key < node.key
    ? balance(node.key, node.value, insert(node.left, key, value), node.right)
    : balance(node.key, node.value, node.left, insert(node.right, key, value))
}

const leftmost = <V>(from: Node<V>): Node<V> => {
  let node = from
  while (node.left !== undefined) node = node.left
  return node
}

const without = <V>(node: Node<V> | undefined, key: string): Node<V> | undefined => {
  if (node === undefined) return undefined
  if (key < node.key) return balance(node.key, node.value, without(node.left, key), node.right)
  if (key > node.key) return balance(node.key, node.value, node.left, without(node.right, key))
  if (node.right === undefined) return node.left
  const next = leftmost(node.right)
  return balance(next.key, next.value, node.left, without(node.right, next.key))
}

const collect = <V>(node: Node<V> | undefined, prefix: string, out: Array<V>): void => {
  if (node === undefined) return
  if (node.key.startsWith(prefix)) {
    collect(node.left, prefix, out)
    out.push(node.value)
    collect(node.right, prefix, out)
  } else collect(node.key < prefix ? node.right : node.left, prefix, out)
}
