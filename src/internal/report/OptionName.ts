/** The name of an option in a message. */
import * as Context from "effect/Context"

/**
 * From the name of a field to the name of the option: a flag in the command, and the field itself in a program that embeds the
 * library.
 */
export class OptionName extends Context.Reference<OptionName>()("consul-replicate/OptionName", {
  defaultValue: (): ((field: string) => string) => (field) => field
}) {}
