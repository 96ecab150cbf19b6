/**
 * An option, as the help shows it.
 */
export interface Documented {
  /** Without the dash. */
  readonly name: string
  /** The heading under which the help shows the option. */
  readonly group: string
  /** The name of the option's value; a flag has none. */
  readonly value?: string | undefined
  readonly description: string
  /** The default, as text for a person. */
  readonly shownDefault?: string | undefined
  /** Variables of the environment that count if the option is not given. */
  readonly variables?: ReadonlyArray<string>
  /** The options that have replaced this one, which the help does not show then. */
  readonly replacedBy?: string | undefined
  /** Whether the setting can be typed; true unless given. If false, it has only keys of files and variables. */
  readonly hasFlag?: boolean
}

/** Whether the help and the completions show an option. */
export const isShown = ({ hasFlag = true, replacedBy }: Documented): boolean =>
  hasFlag && replacedBy === undefined
