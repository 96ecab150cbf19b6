/** What Consul writes for a value: standard base64, padded, with no bits left over. */
const foreign = /[^A-Za-z0-9+/=]/

const equals = 61

/** The last character before one `=` stands for two unused bits, which are 0; before two `=`, for four. */
const endsTwo = /[AEIMQUYcgkosw048]/
const endsFour = /[AQgw]/

/**
 * Whether a text is base64 as Consul writes it, so that the bytes it stands for have this one text. The pattern looks for
 * one character, so that a text of any length is looked through without recursion.
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
