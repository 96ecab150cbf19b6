/** What a message calls an option. */
import * as Context from "effect/Context"

/**
 * From the name of a field to what a person gives: the field itself in a program that embeds the library, a flag in the
 * command.
 */
export class OptionName extends Context.Reference<OptionName>()("consul-replicate/OptionName", {
  defaultValue: (): ((field: string) => string) => (field) => field
}) {}
