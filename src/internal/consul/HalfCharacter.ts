/** Half of a surrogate pair has no UTF-8 form, and arrives at Consul as another key. */
const halfCharacter = /\p{Cs}/u

/** Why a text can be no key and no beginning of one; `undefined` if it can. */
export const problemOf = (text: string): string | undefined =>
  halfCharacter.test(text)
    ? `${JSON.stringify(text)} has half of a character, which no key can have`
    : undefined
