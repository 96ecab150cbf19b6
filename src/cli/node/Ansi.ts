/**
 * What may be written to a stream beside text: escape sequences, if there is a terminal that obeys them.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"

export interface Ansi {
  /** A person reads it: times are short. */
  readonly isTerminal: boolean
  /** Lines may be erased and written again. */
  readonly redraws: boolean
  readonly colours: boolean
}

const text = (name: string) => Config.withDefault(Config.string(name), "")

/** TERM=dumb is a terminal that obeys nothing; NO_COLOR with any text asks for no colours (no-color.org). */
export const of = ({ isTTY = false }: { readonly isTTY?: boolean }): Effect.Effect<Ansi> =>
  Config.all([text("TERM"), text("NO_COLOR")]).pipe(
    Effect.orDie,
    Effect.map(([term, noColor]) => {
      const redraws = isTTY && term !== "dumb"
      return { isTerminal: isTTY, redraws, colours: redraws && noColor === "" }
    })
  )
