/**
 * Go's textual durations (`250ms`, `1m30s`, `1.5h`), as Consul reads them in `?wait=`, TTLs and lock delays, and as
 * users of Go tools type them.
 */
import * as Either from "effect/Either"

/** Nanoseconds per unit. Text is in UTF-8, one code unit for each byte: either spelling of the micro sign is two. */
const units: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["\xc2\xb5s", 1_000n],
  ["\xce\xbcs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n]
])

/** The most that fits a signed 64-bit count of nanoseconds: about 292 years. */
const longest = 2n ** 63n - 1n

const part = /^(\d*)(\.\d*)?([^.\d]*)/

/**
 * Nanoseconds, or the error text of Go 1.15.
 */
export const parse = (text: string): Either.Either<bigint, string> => {
  const invalid = Either.left(`time: invalid duration "${text}"`)
  const negative = text.startsWith("-")
  let rest = negative || text.startsWith("+") ? text.slice(1) : text
  if (rest === "0") return Either.right(0n)
  if (rest === "") return invalid
  let total = 0n
  while (rest !== "") {
    const [matched, whole = "", fraction = "", unit = ""] = part.exec(rest) ?? [""]
    if (whole === "" && fraction.length < 2) return invalid
    if (unit === "") return Either.left(`time: missing unit in duration "${text}"`)
    const scale = units.get(unit)
    if (scale === undefined) return Either.left(`time: unknown unit "${unit}" in duration "${text}"`)
    const digits = fraction.slice(1)
    total += BigInt(whole === "" ? 0 : whole) * scale
    total += (BigInt(digits === "" ? 0 : digits) * scale) / 10n ** BigInt(digits.length)
    if (total > longest) return invalid
    rest = rest.slice(matched.length)
  }
  return Either.right(negative ? -total : total)
}

/** Milliseconds, rounded up so that nothing happens early: the simulation's clock has no finer grain. */
export const toMillis = (nanoseconds: bigint): number => Number((nanoseconds + 999_999n) / 1_000_000n)
