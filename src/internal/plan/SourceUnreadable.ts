/** The error of a source whose keys the token may not read. */
import * as Data from "effect/Data"

/**
 * The answers of the source have no key under the prefix, and the token may not read there: the source may have keys or not.
 */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{
  /** The name of the source: `nyc1`. */
  readonly source: string
  /** The place in which the token needs the right: `datacenter nyc1`. */
  readonly place: string
  /** The prefix that is replicated. */
  readonly prefix: string
  /** Consul's text. */
  readonly reason: string
  /** Whether no token was given. */
  readonly isAnonymous: boolean
}> {
  override get message() {
    const prefix = JSON.stringify(this.prefix)
    const rule = `key_prefix ${prefix} { policy = "read" }`
    const lack = this.isAnonymous ? `no token was given, and one needs ${rule}` : `the token lacks ${rule}`
    return (
      `cannot read any key under ${prefix} in ${this.source}: ${this.reason}; ${lack} in ` +
      `${this.place}, or the prefix is misspelt`
    )
  }
}
