/**
 * Which code points Go prints: letters, marks, numbers, punctuation, symbols, and of all spaces U+0020 only.
 *
 * Go 1.15, with which Consul 1.8.7 was built, knows Unicode 12; the JavaScript engine knows a newer one. Code points
 * assigned since are printable here and not there.
 */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

export const isPrintable = (rune: number): boolean =>
  rune < 0x7f ? rune >= 0x20 : printable.test(String.fromCodePoint(rune))
