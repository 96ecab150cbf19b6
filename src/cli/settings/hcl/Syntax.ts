/**
 * The syntax of a configuration file in HCL 1 or JSON: items with keys and values, each with its place in the file.
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/** A place in a file. Both numbers begin at 1; a column is a character. */
export interface Position {
  readonly line: number
  readonly column: number
}

export type Value = Data.TaggedEnum<{
  Text: { readonly text: string; readonly at: Position }
  /** `text` is the number as it is written. */
  Number: { readonly text: string; readonly at: Position }
  Truth: { readonly isTrue: boolean; readonly at: Position }
  List: { readonly values: ReadonlyArray<Value>; readonly at: Position }
  Block: { readonly items: ReadonlyArray<Item>; readonly at: Position }
}>

export const Value = Data.taggedEnum<Value>()

export interface Key {
  readonly name: string
  readonly at: Position
}

/** `name = value`, `name { … }`, or `name "label" { … }`. */
export interface Item {
  readonly key: Key
  /** The further keys in front of a block. */
  readonly labels: ReadonlyArray<Key>
  readonly value: Value
}

/** A file that is neither HCL nor JSON. `problem` names the text at the place, and what was expected there. */
export class SyntaxProblem extends Data.TaggedError("SyntaxProblem")<{
  readonly at: Position
  readonly problem: string
}> {
  override get message() {
    return `${this.at.line}:${this.at.column}: ${this.problem}`
  }
}

/** A part of a file, or the problem that ends the reading of the file. */
export type Parsed<A> = Either.Either<A, SyntaxProblem>

export const refuse = (at: Position, problem: string): Parsed<never> =>
  Either.left(new SyntaxProblem({ at, problem }))

export const isSpace = (character: string): boolean => /^[ \t\r\n]$/.test(character)

/** How deep blocks and lists may be nested. No configuration has more than four levels. */
export const deepest = 100
