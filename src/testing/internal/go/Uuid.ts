/**
 * Session ids as Consul parses them: 36 characters, of which at most four are hyphens, anywhere. The others are hexadecimal digits.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Random from "effect/Random"
import { type ByteString, fromCodePoint } from "./ByteString.js"
import { isPrintable } from "./Unicode.js"

/** The canonical form of an id. It is the same for all spellings of an id. */
export const canonical = (id: ByteString): ByteString => id.replaceAll("-", "").toLowerCase()

/** The canonical form of an id, or Consul's error. */
export const parse = (id: ByteString): Either.Either<ByteString, ByteString> => {
  if (id.length !== 36) return Either.left("UUID must be 36 characters")
  const hyphens = id.length - id.replaceAll("-", "").length
  if (hyphens > 4) return Either.left(`UUID should have maximum of 4 "-"; got ${hyphens}`)
  const bare = canonical(id)
  const wrong = /[^0-9a-fA-F]/.exec(id.replaceAll("-", ""))?.[0]
  if (wrong !== undefined) {
    const code = wrong.charCodeAt(0)
    const point = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`
    const shown = isPrintable(code) ? ` '${fromCodePoint(code)}'` : ""
    return Either.left(`Invalid UUID: encoding/hex: invalid byte: ${point}${shown}`)
  }
  return bare.length % 2 === 0
    ? Either.right(bare)
    : Either.left("Invalid UUID: encoding/hex: odd length hex string")
}

/** Makes a random id. The same seed of `Random` makes the same ids. */
export const make = (random: Random.Random): Effect.Effect<ByteString> =>
  Effect.map(Effect.replicateEffect(random.nextIntBetween(0, 2 ** 32), 4), (words) => {
    const hex = words.map((word) => word.toString(16).padStart(8, "0")).join("")
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
  })
