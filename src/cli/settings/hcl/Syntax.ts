/**
 * What a configuration file says, be it HCL 1 or JSON: items with keys and values, each with its place in the file.
 */
import * as Data from "effect/Data"

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

/** A file that is neither HCL nor JSON. `problem` says what stands there and what was expected. */
export class SyntaxProblem extends Data.TaggedError("SyntaxProblem")<{
  readonly at: Position
  readonly problem: string
}> {
  override get message() {
    return `${this.at.line}:${this.at.column}: ${this.problem}`
  }
}

/** How deep blocks and lists may stand in each other. No configuration has more than four. */
export const deepest = 100
