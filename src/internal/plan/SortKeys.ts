/**
 * Ascending by UTF-16 code units. Consul's order is that of the bytes, which is the same for nearly all keys, so that
 * there is seldom something to sort.
 */
export const sorted = <Key extends string>(keys: ReadonlyArray<Key>): ReadonlyArray<Key> => {
  for (let i = 1; i < keys.length; i++) if ((keys[i - 1] ?? "") > (keys[i] ?? "")) return [...keys].sort()
  return keys
}
