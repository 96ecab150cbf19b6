/**
 * The word that a misspelt one was probably meant to be.
 */
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import * as Order from "effect/Order"

/** How many letters must be added, removed, replaced, or swapped with their neighbour to turn one word into the other. */
export const distance = (one: string, other: string): number => {
  const rows = Array.from({ length: one.length + 1 }, (_, i) =>
    Array.from({ length: other.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0))
  )
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0
  for (let i = 1; i <= one.length; i++) {
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1]
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      const row = rows[i]
      if (row === undefined) continue
      row[j] = Math.min(
        at(i - 1, j) + 1,
        at(i, j - 1) + 1,
        at(i - 1, j - 1) + (isSame ? 0 : 1),
        isSwapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY
      )
    }
  }
  return at(one.length, other.length)
}

/** The length above which a word is no misspelt option. */
const longest = 40

/**
 * The nearest of the words: a third of the letters may be wrong, and two at most. A word that the typed one begins counts
 * as one letter away. Capitals do not count.
 */
export const didYouMean = (typed: string, words: Iterable<string>): Option.Option<string> => {
  const word = typed.toLowerCase()
  if (word.length > longest) return Option.none()
  const most = Math.min(2, Math.floor(word.length / 3))
  const near = Array.from(words, (candidate) => ({
    candidate,
    away: candidate.startsWith(word) ? Math.min(1, candidate.length - word.length) : distance(word, candidate)
  })).filter(({ away }) => away <= most)
  return Option.map(
    Arr.head(Arr.sortWith(near, ({ away }) => away, Order.number)),
    ({ candidate }) => candidate
  )
}

/** The end of a message about a misspelt word: the word that was probably meant, as `shown` writes it, or else `otherwise`. */
export const hint = (
  typed: string,
  words: Iterable<string>,
  shown: (word: string) => string,
  otherwise: string
): string =>
  Option.match(didYouMean(typed, words), {
    onNone: () => otherwise,
    onSome: (word) => `did you mean ${shown(word)}?`
  })
