/**
 * The text of `docs/options.md`, made from the descriptions of the settings. The formatter aligns its tables.
 */
import type { Setting } from "../src/cli/settings/Setting.js"
import * as Settings from "../src/cli/settings/Settings.js"

const code = (texts: ReadonlyArray<string>) => texts.map((text) => `\`${text}\``).join("<br>")

/** A cell cannot hold the mark that ends it. */
const cell = (text: string) => text.replaceAll("|", "\\|")

const reloads: Readonly<Record<Setting<unknown>["reload"], ReadonlyArray<string>>> = {
  kept: ["can be reloaded"],
  anew: [],
  refused: ["holds as long as the program runs"]
}

const row = (setting: Setting<unknown>): string => {
  const { deprecated, description, hasFlag, isSecret, keys, name, reload } = setting
  const { replacedBy, shownDefault, spellings, value, variables } = setting
  const option = value === undefined ? `-${name}` : `-${name} ${value}`
  const others = [...spellings, ...deprecated].map((other) => `-${other}`)
  const facts = [
    description,
    ...(shownDefault === undefined ? [] : [`default: ${shownDefault}`]),
    ...(others.length === 0 ? [] : [`also ${others.map((other) => `\`${other}\``).join(", ")}`]),
    ...(replacedBy === undefined ? [] : [`now ${replacedBy}`]),
    ...reloads[reload],
    ...(isSecret ? ["secret: in no message"] : [])
  ]
  const cells = [hasFlag ? code([option]) : "", code(keys), code(variables), facts.join("; ")]
  return `| ${cells.map(cell).join(" | ")} |`
}

const groups = [...new Set(Settings.all.map(({ group }) => group))]

const table = (group: string): string =>
  [
    `## ${group.replace(/:$/, "")}`,
    "",
    "| option | key of a file | variables | meaning |",
    "| ------ | ------------- | --------- | ------- |",
    ...Settings.all.filter((setting) => setting.group === group).map(row)
  ].join("\n")

export const page = [
  "# Options",
  "",
  "Made from the descriptions of the options in `src/cli/settings/options/`; a test keeps it equal to them.",
  "",
  "An option counts before files, files count before variables, a later file before an earlier one, and of the variables the first",
  "that is set. Prefixes and excludes of files and of the command line add up; variables that may have several texts have commas",
  "between them. One dash or two, `-name=value` or `-name value`; durations as in `250ms`, `60s` or `1m30s`. Inside of a",
  "`prefix` block of a file, the keys of `src_consul` count for that prefix alone, beside `source`, `datacenter`,",
  "`destination`, `status` and `exclude`. At a reload (SIGHUP) a changed option that can be reloaded applies to its replications, and all others go on. If another option has changed, all replications begin anew. An option that holds as long as the program runs keeps its value.",
  "With any other new value the lock is given back and all begins anew, in the same process. [migrating.md](migrating.md) has the options of HashiCorp's tool beside these.",
  "",
  ...groups.flatMap((group) => [table(group), ""])
].join("\n")
