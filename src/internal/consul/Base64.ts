/** A character that standard base64 does not have. */
const foreign = /[^A-Za-z0-9+/=]/

const equals = 61

/** The last character before one `=` stands for two unused bits, which are 0; before two `=`, for four. */
const endsTwo = /[AEIMQUYcgkosw048]/
const endsFour = /[AQgw]/

/**
 * Whether a text is base64 as Consul writes it: standard, padded, and with no bits left over. The same bytes have only one such
 * text. The pattern matches one character, so that a text of any length is searched without recursion.
 */
export const isCanonical = (text: string): boolean => {
  const { length } = text
  if (length === 0) return true
  if (length % 4 !== 0 || foreign.test(text)) return false
  const padding = text.indexOf("=")
  if (padding < 0) return true
  if (padding === length - 1) return endsTwo.test(text.charAt(length - 2))
  return (
    padding === length - 2 && text.charCodeAt(length - 1) === equals && endsFour.test(text.charAt(length - 3))
  )
}
