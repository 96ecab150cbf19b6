/**
 * True and false as Go's flags and Consul's variables write them.
 */
import * as Option from "effect/Option"

const yes: ReadonlySet<string> = new Set(["1", "t", "T", "true", "TRUE", "True"])
const no: ReadonlySet<string> = new Set(["0", "f", "F", "false", "FALSE", "False"])

/** None for any other text. */
export const parse = (text: string): Option.Option<boolean> =>
  yes.has(text) ? Option.some(true) : no.has(text) ? Option.some(false) : Option.none()
