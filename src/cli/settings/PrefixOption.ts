/**
 * Prefixes that are probably meant otherwise. No key begins with them, and no keys would be in sync.
 */
import * as Effect from "effect/Effect"
import { subject, WrongUse } from "./WrongUse.js"

/** `prefix@datacenter` and `prefix@datacenter:destination`, as in later releases of the Go tool. */
const later = /^(.*)@([a-z0-9_-]+)(?::(.+))?$/is

/** As later releases of the Go tool do it: hardly any key begins with a slash. */
const withoutSlash = (prefix: string): string => prefix.replace(/^\/+/, "")

/** Refuses a prefix with a datacenter. One that keys do begin with can be given with the slash that ends it. */
export const validate = (prefix: string): Effect.Effect<void, WrongUse> => {
  const [, name = "", datacenter, destination] = later.exec(prefix) ?? []
  if (datacenter === undefined) return Effect.void
  const instead = [
    `-src=${datacenter}`,
    `-prefix=${JSON.stringify(withoutSlash(name))}`,
    ...(destination === undefined ? [] : [`-dst-prefix=${JSON.stringify(withoutSlash(destination))}`])
  ]
  return new WrongUse({
    subject: subject("-prefix", prefix),
    problem:
      `looks like a prefix and a datacenter; write ${instead.join(" ")}, ` +
      "or end it with a slash where keys begin so"
  })
}

/** A key may begin with a slash, but only a transaction can write it. */
export const warn = (option: string, prefix: string): Effect.Effect<void> =>
  prefix.startsWith("/")
    ? Effect.logWarning(
        `-${option}: ${JSON.stringify(prefix)} begins with a slash, as hardly any key does; ` +
          `${JSON.stringify(withoutSlash(prefix))} is another prefix`
      )
    : Effect.void

/** An exclude is the front of a key's whole name at the source: one without the prefix excludes nothing. */
export const warnOfExclude =
  (prefix: string) =>
  (exclude: string): Effect.Effect<void> => {
    if (exclude.startsWith(prefix) && exclude !== prefix) return Effect.void
    const effect = prefix.startsWith(exclude) ? "all keys" : "no key"
    return Effect.logWarning(
      `-exclude: ${JSON.stringify(exclude)} excludes ${effect} of the prefix ${JSON.stringify(prefix)}`
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
