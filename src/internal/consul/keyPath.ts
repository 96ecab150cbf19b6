/**
 * Which keys can be named in the path of a URL. Consul cleans paths (`a//b` is redirected, `.` and `..` are resolved)
 * and refuses those with characters that are not printable in Go's sense; a transaction takes every key.
 */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u
const cleaned = /^\/|\/\/|(?:^|\/)\.{1,2}(?:\/|$)/

export const isNameable = (key: string): boolean => key !== "" && printable.test(key) && !cleaned.test(key)

/**
 * The longest leading part of a prefix that a path can name; reading it and keeping what starts with the prefix is
 * the same as reading the prefix. A part may end with `.`, which a longer key would resolve: it is cut before it.
 */
export const nameablePart = (prefix: string): string => {
  if (prefix === "" || isNameable(prefix)) return prefix
  const stop = Math.min(endOf(unprintable.exec(prefix), 0), endOf(cleaned.exec(prefix), 1))
  // What is left may end in a name of dots that its next character kept from being cleaned.
  return nameablePart(prefix.slice(0, stop))
}

/** A match of `cleaned` starts with the slash before the trouble, except at the very front. */
const endOf = (match: RegExpExecArray | null, slash: number): number =>
  match === null ? Number.POSITIVE_INFINITY : match.index === 0 ? 0 : match.index + slash

/** The key in a path: each segment percent-encoded, slashes kept. */
export const encodePath = (key: string): string => key.split("/").map(encodeURIComponent).join("/")
