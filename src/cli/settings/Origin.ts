/**
 * The place at which a setting was given.
 */
import * as Data from "effect/Data"

export type Origin = Data.TaggedEnum<{
  /** `spelling` is the name that was typed, without the dash. */
  Flag: { readonly spelling: string }
  Variable: { readonly name: string }
  /** `key` is the whole name of the key, as in `consul.ssl.verify`; `line` begins at 1. */
  File: { readonly file: string; readonly line: number; readonly key: string }
  Default: object
}>

export const Origin = Data.taggedEnum<Origin>()

/** A text that was given for a setting, and its place. */
export interface Given {
  readonly text: string
  readonly origin: Origin
}

/** A place, for a person: `-reconcile`, `CONSUL_HTTP_SSL`, `/etc/replicate.hcl:12: log_level`. `name` is the option's own. */
export const shown = (origin: Origin, name: string): string => {
  switch (origin._tag) {
    case "Flag":
      return `-${origin.spelling}`
    case "Variable":
      return origin.name
    case "File":
      return `${origin.file}:${origin.line}: ${origin.key}`
    case "Default":
      return `-${name}`
  }
}
