/**
 * A prefix as one text: `source`, `source@datacenter`, `source@datacenter:destination` or `source:destination`.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** The parts that a text names. */
export interface PrefixText {
  readonly source: string
  /** Undefined if the text names none. */
  readonly datacenter: string | undefined
  /** Undefined if it is the same as `source`. */
  readonly destination: string | undefined
}

const withDatacenter = /^([^@]*)@([A-Za-z0-9_-]+)$/

const inFile = (source: string): string =>
  `a prefix that itself holds "@" or ":" is given in a file, as in prefix { source = ${JSON.stringify(source)} datacenter = "…" }`

/** Without one slash at the front, as in 0.2.0 and later: hardly any key begins with a slash. */
const withoutSlash = (prefix: string): string => prefix.replace(/^\//, "")

/**
 * The first colon ends the source. The text behind an `@` is a datacenter only if it could be the name of one: otherwise it is
 * a part of the prefix, as in 0.1.0. Left: the problem.
 */
export const parse = (text: string): Either.Either<PrefixText, string> => {
  const colon = text.indexOf(":")
  const left = colon === -1 ? text : text.slice(0, colon)
  const right = colon === -1 ? undefined : text.slice(colon + 1)
  const [, source, datacenter] = withDatacenter.exec(left) ?? []
  const destination = right === "" ? undefined : right
  if (source !== undefined && datacenter !== undefined) {
    return source === "" || source === "/"
      ? Either.left(`names no keys before the "@"; for the whole store write -src=${datacenter} -prefix=`)
      : Either.right({ source: withoutSlash(source), datacenter, destination })
  }
  if (/@[^@]*@[A-Za-z0-9_-]+$/.test(left)) return Either.left(`has "@" twice; ${inFile(left)}`)
  if (right === undefined)
    return Either.right({ source: text, datacenter: undefined, destination: undefined })
  if (left.includes("@")) {
    return Either.left(`what stands between "@" and ":" is no name of a datacenter; ${inFile(text)}`)
  }
  const [, name, behind] = withDatacenter.exec(right) ?? []
  if (behind !== undefined) {
    return Either.left(
      `the datacenter stands behind the source; write ${JSON.stringify(`${left}@${behind}:${name}`)}, or give it in a file`
    )
  }
  return left === ""
    ? Either.left('names no keys before the ":"; for the whole store write -prefix= and -dst-prefix')
    : Either.right({ source: left, datacenter: undefined, destination })
}

/** Warns of a colon that may be meant as a part of a prefix: one without a datacenter, as in 0.1.0, or a second one. */
export const warnOfColon = (
  where: string,
  text: string,
  { datacenter, destination, source }: PrefixText
): ReadonlyArray<string> =>
  destination !== undefined && (datacenter === undefined || destination.includes(":"))
    ? [
        `${where}: ${JSON.stringify(text)} copies ${JSON.stringify(source)} to ${JSON.stringify(destination)}; ${inFile(text)}`
      ]
    : []

/**
 * Warns of a prefix with a slash at its front. A key may begin with a slash, but only a transaction can write it. `where` is the
 * place of the prefix, for a person.
 */
export const warn = (where: string, prefix: string): Effect.Effect<void> =>
  prefix.startsWith("/")
    ? Effect.logWarning(
        `${where}: ${JSON.stringify(prefix)} begins with a slash, as hardly any key does; ` +
          `${JSON.stringify(prefix.replace(/^\/+/, ""))} is another prefix`
      )
    : Effect.void

const quoted = (texts: ReadonlyArray<string>): string => texts.map((text) => JSON.stringify(text)).join(", ")

/**
 * Warns of excludes that exclude no key or all keys of prefixes. An exclude that several replications share need not concern each
 * of them: the log warns that it excludes no key only if this is so for all.
 */
export const warnOfExcludes = (
  replications: ReadonlyArray<{ readonly prefix: string; readonly exclude: ReadonlyArray<string> }>
): Effect.Effect<void> => {
  const excludes = [...new Set(replications.flatMap(({ exclude }) => exclude))]
  return Effect.forEach(
    excludes,
    (exclude) => {
      const prefixes = replications.filter((one) => one.exclude.includes(exclude)).map(({ prefix }) => prefix)
      const emptied = prefixes.filter((prefix) => prefix.startsWith(exclude))
      const isUseless = !prefixes.some((prefix) => prefix.startsWith(exclude) || exclude.startsWith(prefix))
      if (emptied.length === 0 && !isUseless) return Effect.void
      const [effect, of] = isUseless ? ["no key", prefixes] : ["all keys", emptied]
      return Effect.logWarning(
        `-exclude: ${JSON.stringify(exclude)} excludes ${effect} of the prefix${of.length > 1 ? "es" : ""} ${quoted(of)}`
      )
    },
    { discard: true }
  )
}

/** Whether a prefix ends in the middle of a name. One that ends with a punctuation mark, such as `app-`, is meant so. */
const endsInName = (prefix: string): boolean => /[\p{L}\p{N}]$/u.test(prefix)

/**
 * Warns if only one of the two prefixes ends with a slash. The prefix of a key is replaced character by character, so names
 * change then. `where` is the place of the destination's prefix, for a person.
 */
export const warnOfSlashes = (
  where: string,
  prefix: string,
  destinationPrefix: string
): Effect.Effect<void> => {
  const isGlued = endsInName(destinationPrefix) && (prefix === "" || prefix.endsWith("/"))
  const isDoubled = endsInName(prefix) && destinationPrefix.endsWith("/")
  if (!isGlued && !isDoubled) return Effect.void
  const name = isGlued ? "x" : "/x"
  const other = prefix === "" ? "and the prefix is empty" : "unlike the prefix"
  const end = isGlued ? "does not end with a slash" : "ends with a slash"
  return Effect.logWarning(
    `${where}: the destination ${JSON.stringify(destinationPrefix)} ${end}, ${other}: ` +
      `${JSON.stringify(prefix + name)} is copied to ${JSON.stringify(destinationPrefix + name)}`
  )
}
