/**
 * What the help says of an option.
 */
export interface Documented {
  /** Without the dash. */
  readonly name: string
  /** The heading under which the help shows the option. */
  readonly group: string
  /** The name of the option's value; a flag has none. */
  readonly value?: string | undefined
  readonly description: string
  /** What counts if the option is not given, for a person. */
  readonly shownDefault?: string | undefined
  /** Variables of the environment that count if the option is not given. */
  readonly variables?: ReadonlyArray<string>
  /** What to write instead: the help shows no option that another has replaced. */
  readonly replacedBy?: string | undefined
  /** False: the option has keys of files and variables alone. */
  readonly hasFlag?: boolean
}
