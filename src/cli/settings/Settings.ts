/**
 * All settings of the command, from its options, from files and from the environment, as one value.
 */

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as LogLevel from "effect/LogLevel"
import * as AddressOption from "./AddressOption.js"
import type { AgentSettings, Given as NamedText } from "./AgentSettings.js"
import * as AgentTexts from "./AgentTexts.js"
import * as Environment from "./Environment.js"
import * as ConfigFile from "./files/ConfigFile.js"
import * as ConfigPaths from "./files/ConfigPaths.js"
import type { PrefixEntry } from "./files/PrefixBlocks.js"
import { Origin, shown } from "./Origin.js"
import { retry, withoutMeaning } from "./options/Compatible.js"
import { destination, source } from "./options/Connections.js"
import { instance } from "./options/Instances.js"
import { replicated } from "./options/Replicated.js"
import * as Replications from "./Replications.js"
import * as Retry from "./Retry.js"
import type { Reload, Resolved, Setting, Values } from "./Setting.js"
import * as Sources from "./Sources.js"
import * as Texts from "./Texts.js"
import { subject, WrongUse } from "./WrongUse.js"

/** Every setting, in the order of the help. */
export const all: ReadonlyArray<Setting<unknown>> = [
  replicated,
  destination,
  source,
  instance,
  retry,
  withoutMeaning
].flatMap((settings): ReadonlyArray<Setting<unknown>> => Object.values(settings))

export interface Settings {
  readonly replications: ReadonlyArray<Replications.ReplicationSettings>
  /** The texts for the agent that is replicated into. */
  readonly destination: AgentSettings & { readonly address: NamedText }
  /** The texts for the source's agent, for each replication that has none of its own. */
  readonly source: AgentSettings
  /** Whether keys may be deleted at the destination. */
  readonly deletes: boolean
  /** The most deletes of one pass, such as `50%` or `200`. */
  readonly maxDeletes: string
  /** The time between two looks for drift; zero for none. */
  readonly reconcile: Duration.Duration
  /** The most blocking queries of a large prefix. */
  readonly watchShards: number
  /** The key of the lock. */
  readonly lock: string
  /** The name of the service of the instances. */
  readonly service: string
  readonly agentless: boolean
  /** The time to live of the lock's session; undefined for the default. */
  readonly sessionTtl: Duration.Duration | undefined
  readonly once: boolean
  /** The time after which to give up; undefined for the default. */
  readonly patience: Retry.Patience | undefined
  /** How long no change must come before changes are replicated; undefined for no wait. */
  readonly wait: Texts.Quiescence | undefined
  /** The path of the file with the number of the process. */
  readonly pidFile: Resolved<string> | undefined
  /** A signal that stops the program, beside the ones that always do. */
  readonly killSignal: NodeJS.Signals | undefined
  /** The signal at which the configuration is read again. */
  readonly reloadSignal: NodeJS.Signals | undefined
  /** The lowest level that is logged. */
  readonly logLevel: LogLevel.LogLevel
  /** The facility of syslog; undefined for no syslog. */
  readonly syslog: string | undefined
  /** The texts of each setting that cannot change while replications go on. They can be secrets. */
  readonly fixed: ReadonlyArray<{
    /** The option, without its dash. */
    readonly name: string
    readonly reload: Exclude<Reload, "kept">
    readonly texts: ReadonlyArray<string>
    /** The place at which it was given, for messages. */
    readonly where: string
  }>
  /** The places of settings, by the names of their options. */
  readonly origins: ReadonlyMap<string, Origin>
  /** For the log, at the start. None has a secret. */
  readonly warnings: ReadonlyArray<string>
}

const originOf = (resolved: Resolved<unknown> | undefined): Origin | undefined =>
  resolved === undefined || resolved.origin._tag === "Default" ? undefined : resolved.origin

/** The files that `-config` names, read in order. A setting of a later file counts before the same of an earlier one. */
const readFiles = (paths: Values<typeof instance>["configs"]) =>
  Effect.gen(function* () {
    const files = yield* Effect.forEach(paths, ({ origin, value }) =>
      ConfigPaths.read({ origin, text: value })
    )
    return yield* Effect.forEach(files.flat(), ({ path, text }) => ConfigFile.parse(path, text, all))
  })

/** One map with the texts of all maps, in the order of the maps. */
const joined = (maps: ReadonlyArray<Sources.ByName>): Sources.ByName =>
  new Map(
    [...new Set(maps.flatMap((map) => [...map.keys()]))].map((name) => [
      name,
      maps.flatMap((map) => map.get(name) ?? [])
    ])
  )

/** The wait from the option, or from the two keys of a `wait` block. */
const waitOf = ({
  wait,
  waitMax,
  waitMin
}: Values<typeof instance>): Either.Either<Texts.Quiescence | undefined, WrongUse> => {
  const block = waitMin ?? waitMax
  if (block === undefined || wait?.origin._tag === "Flag") return Either.right(wait?.value)
  return Either.mapLeft(
    Texts.quiescence(waitMin?.value ?? Duration.zero, waitMax?.value),
    (problem) => new WrongUse({ subject: shown(block.origin, "wait"), problem })
  )
}

/** Refuses one signal for both purposes. */
const validateSignals = ({ killSignal, reloadSignal }: Values<typeof instance>) =>
  killSignal.value !== undefined && killSignal.value === reloadSignal.value
    ? new WrongUse({
        subject: subject(shown(killSignal.origin, "kill-signal"), killSignal.value),
        problem: `is also the signal of ${shown(reloadSignal.origin, "reload-signal")}; choose another one for one of them`
      })
    : Effect.void

/** Warnings of deprecated names. */
const warnOfSpellings = (flags: Sources.ByName): ReadonlyArray<string> =>
  all.flatMap(({ deprecated, name, replacedBy }) =>
    (flags.get(name) ?? []).flatMap(({ origin }) =>
      origin._tag === "Flag" && (replacedBy !== undefined || deprecated.includes(origin.spelling))
        ? [`-${origin.spelling} is now ${replacedBy ?? `-${name}`}`]
        : []
    )
  )

/** Warnings of options that are given several times with different texts. The last one counts, as in 0.4.0. */
const warnOfRepeats = (flags: Sources.ByName): ReadonlyArray<string> =>
  all.flatMap(({ isRepeated, name }) => {
    const typed = flags.get(name) ?? []
    const last = typed.at(-1)
    if (isRepeated || last === undefined || typed.every(({ text }) => text === last.text)) return []
    const spellings = [...new Set(typed.map(({ origin }) => shown(origin, name)))]
    return spellings.length === 1
      ? [`${spellings[0]}: is given ${typed.length} times; the last one counts`]
      : [`${spellings.join(" and ")}: are one option; the last one counts, ${shown(last.origin, name)}`]
  })

const warnOfUseless = (values: Values<typeof withoutMeaning>): ReadonlyArray<string> =>
  Object.entries(withoutMeaning).flatMap(([key, { description, name }]) => {
    const resolved = Object.entries(values).find(([other]) => other === key)?.[1]
    const origin = originOf(resolved)
    return origin === undefined ? [] : [`${shown(origin, name)} has no use here: ${description}`]
  })

/** Refuses `consul = "address"`, which 0.4.0 ignores, if it differs from the address in use: one of the two is a mistake. */
const validateIgnored = (files: ReadonlyArray<ConfigFile.ConfigFile>, address: string) =>
  Effect.forEach(
    files.flatMap(({ ignoredAddresses }) => ignoredAddresses),
    ({ origin, text }) =>
      Either.getOrUndefined(AddressOption.parse(text)) === Either.getOrUndefined(AddressOption.parse(address))
        ? Effect.void
        : new WrongUse({
            subject: subject(shown(origin, "addr"), text),
            problem: `is ignored, as by 0.4.0, and ${address} is used; write consul { address = "…" } with the right one`
          }),
    { discard: true }
  )

/** The texts of settings that cannot change while replications go on. Settings without a meaning may change. */
const fixed = (sources: Sources.Sources): Settings["fixed"] =>
  all
    .filter((setting) => !Object.values<Setting<unknown>>(withoutMeaning).includes(setting))
    .flatMap((setting) => {
      const given = Sources.givenFor(setting, sources)
      const { name, reload } = setting
      if (reload === "kept") return []
      return {
        name,
        reload,
        texts: given.map(({ text }) => text),
        where: shown(given[0]?.origin ?? Origin.Default(), name)
      }
    })

/** Reads all settings. `flags` are the texts of the command line. */
export const load = Effect.fn("Settings.load")(function* (flags: Sources.ByName) {
  const variables = yield* Environment.read(all)
  const { configs } = yield* Sources.values(
    { configs: instance.configs },
    { ...Sources.nothing, flags, variables }
  )
  const files = yield* readFiles(configs)
  const excludes = new Map([[replicated.excludes.name, files.flatMap(({ excludes }) => excludes)]])
  const sources: Sources.Sources = {
    flags,
    files: joined([...files.map(({ given }) => given), excludes]),
    variables
  }
  const values = yield* Sources.values(replicated, sources)
  const instances = yield* Sources.values(instance, sources)
  const retries = yield* Sources.values(retry, sources)
  const useless = yield* Sources.values(withoutMeaning, sources)
  const typed: ReadonlyArray<PrefixEntry> = Sources.givenFor(replicated.prefixes, sources).map((given) => ({
    _tag: "Text",
    given
  }))
  const inFiles = files.flatMap(({ prefixes }) => prefixes)
  // Files and the command line add up; the environment counts if neither names a prefix.
  const entries = typed.every(({ _tag, given }) => _tag === "Text" && given.origin._tag === "Variable")
    ? inFiles.length > 0
      ? inFiles
      : typed
    : [...inFiles, ...typed]
  const to = yield* AgentTexts.ofDestination(sources)
  const from = yield* AgentTexts.ofSource(sources, to)
  const { replications, warnings } = yield* Replications.read(entries, { ...values, ...instances }, to)
  yield* validateSignals(instances)
  const wait = yield* waitOf(instances)
  yield* validateIgnored(files, to.address.text)
  // As in 0.4.0, the facility alone asks for syslog.
  const isSyslog =
    originOf(instances.syslog) === undefined
      ? originOf(instances.syslogFacility) !== undefined
      : instances.syslog.value
  return {
    replications,
    destination: to,
    source: from,
    deletes: !values.noDelete.value,
    maxDeletes: values.maxDeletes.value,
    reconcile: instances.reconcile.value,
    watchShards: instances.watchShards.value,
    lock: instances.lock.value,
    service: instances.service.value,
    agentless: instances.agentless.value,
    sessionTtl: instances.sessionTtl?.value,
    once: instances.once.value,
    patience: Retry.patience(instances.timeout, retries),
    wait,
    pidFile:
      instances.pidFile?.value === undefined
        ? undefined
        : { ...instances.pidFile, value: instances.pidFile.value },
    killSignal: instances.killSignal.value,
    reloadSignal: instances.reloadSignal.value,
    logLevel: instances.logLevel.value,
    syslog: isSyslog ? instances.syslogFacility.value : undefined,
    fixed: fixed(sources),
    origins: new Map(
      all.flatMap((setting) => {
        const [first] = Sources.givenFor(setting, sources)
        return first === undefined ? [] : [[setting.name, first.origin] as const]
      })
    ),
    warnings: [
      ...warnOfSpellings(flags),
      ...warnOfRepeats(flags),
      ...(yield* Environment.warnOfUnread(all)),
      ...files.flatMap(({ warnings }) => warnings),
      ...warnings,
      ...warnOfUseless(useless)
    ]
  } satisfies Settings as Settings
})
