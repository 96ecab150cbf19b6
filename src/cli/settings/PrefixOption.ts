/**
 * A prefix as one text: `source`, `source@datacenter`, `source@datacenter:destination` or `source:destination`.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** The parts that a text names. */
export interface PrefixText {
  readonly source: string
  readonly datacenter: string | undefined
  /** Undefined: the same as the source's. */
  readonly destination: string | undefined
}

const withDatacenter = /^([^@]*)@([A-Za-z0-9_-]+)$/

const inFile = (source: string): string =>
  `a prefix that itself holds "@" or ":" is given in a file, as in prefix { source = ${JSON.stringify(source)} datacenter = "…" }`

/** Go's tool drops one slash at the front since 0.2.0: hardly any key begins with one. */
const withoutSlash = (prefix: string): string => prefix.replace(/^\//, "")

/**
 * The first colon ends the source. What stands behind an `@` can only be a datacenter if it could be the name of one: all
 * else is a part of the prefix, as in the first release. Left: what is wrong.
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

/** A colon without a datacenter was a part of the prefix in the first release, and of two colons the second is one of the destination. */
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

/** A key may begin with a slash, but only a transaction can write it. */
export const warn = (option: string, prefix: string): Effect.Effect<void> =>
  prefix.startsWith("/")
    ? Effect.logWarning(
        `-${option}: ${JSON.stringify(prefix)} begins with a slash, as hardly any key does; ` +
          `${JSON.stringify(prefix.replace(/^\/+/, ""))} is another prefix`
      )
    : Effect.void

const quoted = (texts: ReadonlyArray<string>): string => texts.map((text) => JSON.stringify(text)).join(", ")

/**
 * An exclude is the front of a key's whole name at the source. One that all replications share need not concern each of them,
 * so it is warned of only if it begins with none of their prefixes.
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

/** The destination prefix takes the place of the prefix character by character: with a slash at the end of one alone, names change. */
export const warnOfSlashes = (prefix: string, destinationPrefix: string): Effect.Effect<void> => {
  const isGlued = endsInName(destinationPrefix) && (prefix === "" || prefix.endsWith("/"))
  const isDoubled = endsInName(prefix) && destinationPrefix.endsWith("/")
  if (!isGlued && !isDoubled) return Effect.void
  const name = isGlued ? "x" : "/x"
  const other = prefix === "" ? "and -prefix is empty" : "unlike -prefix"
  const end = isGlued ? "does not end with a slash" : "ends with a slash"
  return Effect.logWarning(
    `-dst-prefix: ${JSON.stringify(destinationPrefix)} ${end}, ${other}: ` +
      `${JSON.stringify(prefix + name)} is copied to ${JSON.stringify(destinationPrefix + name)}`
  )
}
