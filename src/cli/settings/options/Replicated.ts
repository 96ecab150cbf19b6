/**
 * Settings that say which keys are replicated, and which may be deleted.
 */
import * as DeleteLimit from "../../../DeleteLimit.js"
import * as Replication from "../../../Replication.js"
import { flag, optional, repeated, setting } from "../Setting.js"
import * as Texts from "../Texts.js"

const what = "What is replicated:"
const safety = "What may be deleted:"

export const replicated = {
  src: setting({
    name: "src",
    reload: "kept",
    group: what,
    value: "DATACENTER",
    description: "datacenter to replicate from, unless each prefix names its own",
    default: "",
    shownDefault: null,
    keys: ["src"],
    // An empty text is refused later, if a prefix names no datacenter of its own.
    schema: Texts.Text
  }),
  prefixes: repeated({
    name: "prefix",
    group: what,
    value: "PREFIX",
    description:
      "replicate the keys that begin with this; empty for all. Or PREFIX[@DATACENTER][:DESTINATION]; may be repeated",
    shownDefault: Replication.defaults.prefix,
    keys: ["prefix"],
    reload: "kept",
    schema: Texts.Text
  }),
  destinationPrefix: optional({
    name: "dst-prefix",
    group: what,
    value: "PREFIX",
    description: "what takes the place of the prefix at the destination; empty counts as not given",
    shownDefault: "the same as -prefix",
    keys: ["dst_prefix"],
    reload: "kept",
    // As in the Go tool's first release; a variable of the shell that is not set would name the whole store.
    schema: Texts.TextOrNone
  }),
  excludes: repeated({
    name: "exclude",
    group: what,
    value: "PREFIX",
    description:
      "source keys that begin with this are neither copied, nor changed or deleted at the destination; may be repeated",
    keys: ["exclude"],
    reload: "kept",
    schema: Texts.Exclude
  }),
  maxDeletes: setting({
    name: "max-deletes",
    group: safety,
    value: "LIMIT",
    description:
      "how many keys one pass may delete: a share of the destination's, or a number; past it deletes are held back, " +
      `and ${DeleteLimit.alwaysAllowed} or fewer never are`,
    default: DeleteLimit.format(Replication.defaults.maxDeletes),
    keys: ["max_deletes"],
    reload: "kept",
    schema: Texts.Limit
  }),
  noDelete: flag({
    name: "no-delete",
    group: safety,
    description: "never delete a key at the destination",
    keys: ["no_delete"],
    reload: "kept",
    schema: Texts.Truth
  })
} as const
