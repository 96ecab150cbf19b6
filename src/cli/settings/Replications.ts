/**
 * The settings of each replication: the prefixes of the command line, of files and of the environment, each with the settings that
 * all share.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as StatusFolder from "../../internal/destination/StatusFolder.js"
import * as Replication from "../../Replication.js"
import type { AgentSettings } from "./AgentSettings.js"
import * as AgentTexts from "./AgentTexts.js"
import { type PrefixEntry, parts } from "./files/PrefixBlocks.js"
import { Origin, shown } from "./Origin.js"
import type { instance } from "./options/Instances.js"
import { defaultStatusDir } from "./options/Instances.js"
import type { replicated } from "./options/Replicated.js"
import * as PrefixOption from "./PrefixOption.js"
import type { Values } from "./Setting.js"
import * as Sources from "./Sources.js"
import { subject, WrongUse } from "./WrongUse.js"

/** The settings of one replication. */
export interface ReplicationSettings {
  /** The datacenter that is authoritative; empty if none was named. */
  readonly datacenter: string
  /** The prefix at the source. */
  readonly prefix: string
  readonly destinationPrefix: string
  /** Source keys that begin with one of these texts are excluded. */
  readonly excludes: ReadonlyArray<string>
  /** Key of the status. */
  readonly status: string
  /** The texts for the source's agent, if the prefix has its own. */
  readonly source: AgentSettings | undefined
  /** The places of its settings, by the names of their options. */
  readonly origins: ReadonlyMap<string, Origin>
}

/** A prefix with its parts. Undefined parts are the ones that all prefixes share. */
interface Entry extends PrefixOption.PrefixText {
  readonly origin: Origin
  readonly excludes: ReadonlyArray<string>
  readonly status: string | undefined
  readonly connection: AgentSettings | undefined
}

/** An entry, and warnings for the log. */
interface Read {
  readonly entry: Entry
  readonly warnings: ReadonlyArray<string>
}

const plain = { excludes: [], status: undefined, connection: undefined } as const

const ofText = ({
  given: { origin, text }
}: PrefixEntry & { _tag: "Text" }): Either.Either<Read, WrongUse> => {
  const where = shown(origin, "prefix")
  // A list of a file or a variable may end with a comma. Only the option can mean the whole store.
  if (text === "" && origin._tag !== "Flag") {
    return Either.left(
      new WrongUse({
        subject: subject(where, text),
        problem: "names no keys; for the whole store write -src and -prefix="
      })
    )
  }
  return Either.mapBoth(PrefixOption.parse(text), {
    onLeft: (problem) => new WrongUse({ subject: subject(where, text), problem }),
    onRight: (parts) => ({
      entry: { ...parts, ...plain, origin },
      warnings: PrefixOption.warnOfColon(where, text, parts)
    })
  })
}

/** Whether a block has keys of a connection. */
const hasConnection = (given: Sources.ByName) => [...given.keys()].some((name) => name.startsWith("src-"))

const ofBlock = Effect.fnUntraced(function* (
  { given, origin }: PrefixEntry & { _tag: "Block" },
  to: AgentSettings
) {
  const sources = { ...Sources.nothing, files: given }
  const { datacenter, destination, excludes, source, status } = yield* Sources.values(parts, sources)
  const where = shown(origin, "prefix")
  if (source === undefined || source.value === "") {
    return yield* new WrongUse({
      subject: where,
      problem: 'names no keys; write prefix { source = "…" datacenter = "…" }'
    })
  }
  const connection = hasConnection(given) ? yield* AgentTexts.ofSource(sources, to) : undefined
  // Up to 0.3 the datacenter stood in the source, as on the command line.
  const joined = datacenter === undefined ? PrefixOption.parse(source.value) : Either.left("")
  const hasJoined = Either.isRight(joined) && joined.right.datacenter !== undefined
  const cut = datacenter === undefined ? source.value : source.value.replace(/^\//, "")
  const parsed = hasJoined
    ? joined.right
    : { source: cut, datacenter: datacenter?.value, destination: undefined }
  return {
    entry: {
      ...parsed,
      destination: destination?.value || parsed.destination,
      origin,
      excludes: excludes.map(({ value }) => value),
      status: status?.value,
      connection
    } satisfies Entry,
    warnings:
      cut === source.value
        ? []
        : [`${where}: the slash at the front of ${JSON.stringify(source.value)} is dropped, as in 0.4.0`]
  }
})

type Given = Values<typeof replicated> & Pick<Values<typeof instance>, "status" | "statusDir">

const wrong = (origin: Origin, name: string, problem: string) =>
  new WrongUse({ subject: shown(origin, name), problem })

/** Refuses settings for one replication that are given for several, and settings that contradict each other. */
const validate = ({ destinationPrefix, src, status, statusDir }: Given, entries: ReadonlyArray<Entry>) =>
  Effect.gen(function* () {
    const [first] = entries
    if (first === undefined) return
    const hasSeveral = entries.length > 1
    if (destinationPrefix?.value !== undefined && (hasSeveral || first.destination !== undefined)) {
      return yield* wrong(
        destinationPrefix.origin,
        "dst-prefix",
        hasSeveral
          ? `belongs to one prefix, and there are ${entries.length}; write each as "source@datacenter:destination"`
          : `the prefix names a destination of its own, ${JSON.stringify(first.destination)}; write one of them`
      )
    }
    if (status.origin._tag !== "Default" && (hasSeveral || statusDir !== undefined)) {
      return yield* wrong(
        status.origin,
        "status",
        hasSeveral
          ? `belongs to one prefix, and there are ${entries.length}; name a folder by -status-dir`
          : "and -status-dir are both given; write one of them"
      )
    }
    if (src.value !== "" && entries.every(({ datacenter }) => datacenter !== undefined)) {
      const other = entries.find(({ datacenter }) => datacenter?.toLowerCase() !== src.value.toLowerCase())
      if (other === undefined) return
      return yield* new WrongUse({
        subject: subject(shown(src.origin, "src"), src.value),
        problem:
          `no prefix is read from there: ${shown(other.origin, "prefix")} names ${other.datacenter}; drop one of them, or give ` +
          'a prefix that itself holds "@" in a file'
      })
    }
  })

/** Makes the settings of one replication from its entry and the settings that all share. */
const make =
  (given: Given, hasSeveral: boolean) =>
  (entry: Entry): ReplicationSettings => {
    const { destinationPrefix: dst, excludes, src, status, statusDir } = given
    const { connection, datacenter, source: prefix } = entry
    const destinationPrefix = entry.destination ?? dst?.value ?? prefix
    const hasSingleStatus =
      !hasSeveral && statusDir === undefined && (datacenter === undefined || status.origin._tag !== "Default")
    return {
      datacenter: datacenter ?? src.value,
      prefix,
      destinationPrefix,
      excludes: [...excludes.map(({ value }) => value), ...entry.excludes],
      status:
        entry.status ??
        (hasSingleStatus
          ? status.value
          : StatusFolder.keyOf(statusDir?.value ?? defaultStatusDir, { prefix, destinationPrefix })),
      source: connection,
      origins: new Map([
        ["src", datacenter === undefined ? src.origin : entry.origin],
        ["prefix", entry.origin],
        ["dst-prefix", entry.destination === undefined && dst !== undefined ? dst.origin : entry.origin],
        ["status", entry.status === undefined ? (statusDir ?? status).origin : entry.origin]
      ])
    }
  }

const sameAs = (one: ReplicationSettings) => (other: ReplicationSettings) =>
  one.datacenter === other.datacenter &&
  one.prefix === other.prefix &&
  one.destinationPrefix === other.destinationPrefix

/**
 * All replications: one for each entry, or one with the default prefix if there is none. `entries` are in the order in which they
 * count, and `to` has the texts for the destination.
 */
export const read: (
  entries: ReadonlyArray<PrefixEntry>,
  given: Given,
  to: AgentSettings
) => Effect.Effect<
  { readonly replications: ReadonlyArray<ReplicationSettings>; readonly warnings: ReadonlyArray<string> },
  WrongUse
> = Effect.fnUntraced(function* (entries: ReadonlyArray<PrefixEntry>, given: Given, to: AgentSettings) {
  const none: Read = {
    entry: {
      ...plain,
      source: Replication.defaults.prefix,
      datacenter: undefined,
      destination: undefined,
      origin: Origin.Default()
    },
    warnings: []
  }
  const read: ReadonlyArray<Read> =
    entries.length === 0
      ? [none]
      : yield* Effect.forEach(entries, (entry) =>
          entry._tag === "Text" ? ofText(entry) : ofBlock(entry, to)
        )
  const all = read.map(({ entry }) => entry)
  yield* validate(given, all)
  const made = all.map(make(given, all.length > 1))
  const replications = made.filter((one, i) => made.findIndex(sameAs(one)) === i)
  const twice = made.filter((one) => !replications.includes(one))
  return {
    replications,
    warnings: [
      ...read.flatMap(({ warnings }) => warnings),
      ...twice.map(
        ({ origins, prefix }) =>
          `${shown(origins.get("prefix") ?? Origin.Default(), "prefix")}: ${JSON.stringify(prefix)} is given twice`
      )
    ]
  }
})
