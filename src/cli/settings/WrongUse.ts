/**
 * What ends the command with exit code 2: a command line or an environment that cannot be meant.
 */
import * as Data from "effect/Data"

/**
 * `subject` is what is wrong, as a person typed it: `-reconcile "5x"`, `CONSUL_HTTP_SSL "true"`. `problem` is what is wrong
 * with it and what to write instead, in one line. Neither holds a token.
 */
export class WrongUse extends Data.TaggedError("WrongUse")<{
  readonly subject?: string
  readonly problem: string
}> {
  override get message() {
    return this.subject === undefined ? this.problem : `${this.subject}: ${this.problem}`
  }
}

/** The name of an option or a variable with the text that it was given. */
export const subject = (name: string, given?: string): string =>
  given === undefined ? name : `${name} ${JSON.stringify(given)}`
