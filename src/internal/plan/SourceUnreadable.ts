/** The error of a source whose keys the token may not read. */
import * as Data from "effect/Data"

/**
 * The source shows no key under the prefix, and the token may not read there: whether there are keys is not known.
 */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{
  readonly datacenter: string
  readonly prefix: string
  readonly reason: string
  /** Whether no token was given. */
  readonly isAnonymous: boolean
}> {
  override get message() {
    const prefix = JSON.stringify(this.prefix)
    const rule = `key_prefix ${prefix} { policy = "read" }`
    const lack = this.isAnonymous ? `no token was given, and one needs ${rule}` : `the token lacks ${rule}`
    return (
      `cannot read any key under ${prefix} in ${this.datacenter}: ${this.reason}; ${lack} in datacenter ` +
      `${this.datacenter}, or the prefix is misspelt`
    )
  }
}
