/**
 * The flag of a field that the library refuses. The library knows nothing of flags.
 */
import type { InvalidOptions } from "../../InvalidOptions.js"
import { options } from "./Options.js"
import { WrongUse } from "./WrongUse.js"

/** Names of the fields of the library, where they are not those of the command's options. */
const optionOf: Readonly<Record<string, keyof typeof options>> = {
  source: "src",
  sourceAgent: "sourceAddr"
}

const specs: Readonly<Record<string, { readonly name: string }>> = options

/** The name of the field itself, if no flag sets it. */
export const flagOf = (field: string): string => {
  const spec = specs[optionOf[field] ?? field]
  return spec === undefined ? field : `-${spec.name}`
}

export const wrongUse = ({ alternative, field, problem }: InvalidOptions): WrongUse =>
  new WrongUse({
    subject: flagOf(field),
    problem: alternative === undefined ? problem : `${problem}, or another ${flagOf(alternative)}`
  })
