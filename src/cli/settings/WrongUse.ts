/**
 * The error that ends the command with exit code 2: settings or arguments that are wrong.
 */
import * as Data from "effect/Data"

/**
 * `subject` is the place of the setting and its text: `-reconcile "5x"`, `CONSUL_HTTP_SSL "true"`. `problem` is the problem of the
 * text and what to write instead, in one line. Neither has a token.
 */
export class WrongUse extends Data.TaggedError("WrongUse")<{
  readonly subject?: string
  readonly problem: string
}> {
  override get message() {
    return this.subject === undefined ? this.problem : `${this.subject}: ${this.problem}`
  }
}

/** A subject: the name of an option or a variable, and the text that was given for it. */
export const subject = (name: string, given?: string): string =>
  given === undefined ? name : `${name} ${JSON.stringify(given)}`
