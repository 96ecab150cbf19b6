/** How the watches of one agent share its blocking queries. */

/** The claim of one watch. */
export interface Claim {
  /** About how many keys the watch has in shards; 0 while it has one query for all. */
  readonly keys: number
  /** The most queries for shards that the watch may have. */
  readonly most: number
}

/** How many queries a watch in shards has at least, if the total allows: with fewer it would have no shards. */
export const fewest = 4

/**
 * How many queries all watches together may have for shards. Each watch has one more query, for its whole prefix: those count
 * among the total, except for that of the first watch.
 */
export const forShards = (total: number, watches: number): number => total - Math.max(0, watches - 1)

/**
 * How many queries for shards each watch may have. Each has {@link fewest}, and the rest is shared by the number of keys. If
 * there are too few, all watches have the same number, and one at least.
 */
export const allot = (total: number, claims: ReadonlyArray<Claim>): ReadonlyArray<number> => {
  const isLarge = ({ keys, most }: Claim) => keys > 0 && most > 1
  const large = claims.filter(isLarge).length
  const rest = forShards(total, claims.length)
  if (large === 0) return claims.map(({ most }) => Math.max(1, Math.min(most, rest)))
  const floor = Math.max(1, Math.min(fewest, Math.floor(rest / large)))
  const shares = claims.map((claim) =>
    isLarge(claim) ? Math.min(claim.most, floor) : Math.min(claim.most, 1)
  )
  let left = rest - claims.reduce((sum, claim, i) => sum + (isLarge(claim) ? (shares[i] ?? 0) : 0), 0)
  while (left > 0) {
    // The next query goes to the watch that would have the most keys for each of its queries with it.
    let next = -1
    let highest = 0
    for (const [i, claim] of claims.entries()) {
      const share = shares[i] ?? 0
      const keysEach = claim.keys / (share + 1)
      if (!isLarge(claim) || share >= claim.most || keysEach <= highest) continue
      next = i
      highest = keysEach
    }
    if (next < 0) break
    shares[next] = (shares[next] ?? 0) + 1
    left -= 1
  }
  return shares
}
