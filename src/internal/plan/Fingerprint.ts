/**
 * Fingerprints of texts: two texts are equal if their fingerprints are, and a fingerprint is short however long the text is.
 */
import { hash } from "node:crypto"

/** The longest text that is its own fingerprint, in characters. A digest is longer, so that no text equals a digest. */
const longestKept = 31

/** The fingerprint of a text: a short text itself, and the SHA-256 of a longer one, one character for each byte. */
export const ofText = (text: string): string =>
  text.length <= longestKept ? text : hash("sha256", text, "binary")

/** The fingerprint of a key's content: `value` is base64, `flags` a uint64. About 0.3 µs for 100 bytes. */
export const of = (value: string, flags: bigint): string => ofText(flags === 0n ? value : `${flags}:${value}`)
