/**
 * How the watches of one agent share its blocking queries.
 */

/** What a watch asks for. */
export interface Claim {
  /** About how many keys it watches in parts; 0 while it watches them as a whole. */
  readonly keys: number
  /** How many queries for parts it may have at most. */
  readonly most: number
}

/** So many queries a watch in parts has at least, if there are as many: with fewer it would not be in parts. */
export const fewest = 4

/**
 * The queries that all watches may have for parts. Each watch has one more query of its own, for the whole. That of the first
 * watch is beside the total.
 */
export const forParts = (total: number, watches: number): number => total - Math.max(0, watches - 1)

/**
 * How many queries for parts each watch may have. Each has {@link fewest}, and what is left goes by the number of keys. If
 * there are not enough for that, each has as many as the others, but one at least.
 */
export const allot = (total: number, claims: ReadonlyArray<Claim>): ReadonlyArray<number> => {
  const isLarge = ({ keys, most }: Claim) => keys > 0 && most > 1
  const large = claims.filter(isLarge).length
  const rest = forParts(total, claims.length)
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
