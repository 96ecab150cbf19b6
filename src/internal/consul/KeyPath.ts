/**
 * Names in the path of a URL. What no answer can reveal is ruled out here: this side and Consul clean paths (`a//b`, `.` and
 * `..`), and Consul 1.12.0 decodes a path twice, so that `%2F` in a name means another key, whose absence is no sign. It
 * answers a `%` that begins no escape with 500, which looks like a failure that passes: no name with a `%` is in a path.
 * Other names that a path does not carry are learned from the answers ({@link PathNames}).
 */
const cleaned = /^\/|\/\/|(?:^|\/)\.{1,2}(?:\/|$)/
const twiceDecoded = /%/
const loneSurrogate = /\p{Surrogate}/u

/** Whether a name stays itself on its way into a path and out again. */
export const isNameable = (name: string): boolean =>
  name !== "" && !cleaned.test(name) && !twiceDecoded.test(name) && !loneSurrogate.test(name)

/**
 * The longest leading part of a prefix that stays itself in a path; reading it and keeping what starts with the prefix is
 * the same as reading the prefix. A part may end with `.`, which a longer key would resolve: it is cut before it.
 */
export const nameablePart = (prefix: string): string => {
  if (prefix === "" || isNameable(prefix)) return prefix
  const stop = Math.min(
    endOf(cleaned.exec(prefix), 1),
    endOf(twiceDecoded.exec(prefix), 0),
    endOf(loneSurrogate.exec(prefix), 0)
  )
  // The part may end in a segment of dots, which was no segment of its own in the whole prefix.
  return nameablePart(prefix.slice(0, stop))
}

/** A match of `cleaned` starts with the slash before the trouble, except at the very front. */
const endOf = (match: RegExpExecArray | null, slash: number): number =>
  match === null ? Number.POSITIVE_INFINITY : match.index === 0 ? 0 : match.index + slash

/** The key in a path: each segment percent-encoded, slashes kept. */
export const encodePath = (key: string): string => key.split("/").map(encodeURIComponent).join("/")
