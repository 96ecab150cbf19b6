/** Numbers and names of keys, for people. */

/** As in `1 key` or `2 keys`. */
export const count = (n: number, noun: string, end = "s"): string => `${n} ${noun}${n === 1 ? "" : end}`

/** The first three texts. */
export const listed = (texts: ReadonlyArray<string>): string =>
  texts.slice(0, 3).join(", ") + (texts.length > 3 ? ", …" : "")

/** The first three keys, quoted. */
export const some = (keys: Iterable<string>): string => {
  const few: Array<string> = []
  for (const key of keys) {
    if (few.push(JSON.stringify(key)) > 3) break
  }
  return listed(few)
}
