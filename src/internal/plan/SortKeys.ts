/**
 * The keys in ascending order of their UTF-16 code units. Consul orders keys by their bytes. For nearly all keys both orders
 * are the same: then the given array is returned.
 */
export const sorted = <Key extends string>(keys: ReadonlyArray<Key>): ReadonlyArray<Key> => {
  for (let i = 1; i < keys.length; i++) if ((keys[i - 1] ?? "") > (keys[i] ?? "")) return [...keys].sort()
  return keys
}
