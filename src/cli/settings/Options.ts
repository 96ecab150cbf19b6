/**
 * The options of the command that replicates.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as DeleteLimit from "../../DeleteLimit.js"
import * as LeaderLock from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import * as AddressOption from "./AddressOption.js"
import * as DurationOption from "./DurationOption.js"
import { flag, repeated, valued } from "./OptionSpec.js"

const what = "What is replicated:"
const agents = "How Consul is asked:"
const safety = "What may be deleted:"
const instances = "The instances:"
const running = "How it runs:"

/** The address of the agent, if none is given. */
export const defaultAddress = "127.0.0.1:8500"

const levels: ReadonlyMap<string, LogLevel.LogLevel> = new Map([
  ["trace", LogLevel.Trace],
  ["debug", LogLevel.Debug],
  ["info", LogLevel.Info],
  ["warning", LogLevel.Warning],
  ["warn", LogLevel.Warning],
  ["error", LogLevel.Error],
  ["err", LogLevel.Error]
])

const parseLevel = (text: string): Either.Either<LogLevel.LogLevel, string> =>
  Either.fromNullable(
    levels.get(text.toLowerCase()),
    () => "not a level; write trace, debug, info, warning or error"
  )

/** The text itself: the library reads it again. */
const parseLimit = (text: string): Either.Either<string, string> =>
  Either.mapBoth(DeleteLimit.parse(text), {
    onLeft: () => "not a limit; write a share from 0% to 100%, such as 50%, or a number of keys such as 200",
    onRight: () => text
  })

const parseNumber = (text: string): Either.Either<number, string> =>
  /^\d{1,6}$/.test(text) ? Either.right(Number(text)) : Either.left("not a number; write one such as 16")

/** Any text but none. */
const required =
  (problem: string) =>
  (text: string): Either.Either<string, string> =>
    text === "" ? Either.left(problem) : Either.right(text)

/** A text that is looked at with all others of its agent. */
const text = (name: string, value: string, description: string) =>
  valued({ name, group: agents, value, description, default: "", shownDefault: "none", parse: Either.right })

/** Settings of one agent, whose options begin with `front`. */
const agentOptions = (front: "consul" | "src", plain: "" | "src-", whose: string) => ({
  token: text(
    `${front}-token`,
    "TOKEN",
    `token for ${whose}; a file is better, for others see a command line`
  ),
  tokenFile: text(
    `${plain}token-file`,
    "FILE",
    `file with the token for ${whose}; read again when it changes`
  ),
  auth: text(`${front}-auth`, "USER:PASSWORD", `HTTP's basic authentication for ${whose}`),
  ssl: text(`${front}-ssl`, "BOOLEAN", `whether ${whose} is asked over TLS`),
  sslVerify: text(`${front}-ssl-verify`, "BOOLEAN", `whether the certificate of ${whose} is verified`),
  caFile: text(
    `${front}-ssl-ca-cert`,
    "FILE",
    `certificates of the authorities that are trusted for ${whose}`
  ),
  caPath: text(`${front}-ssl-ca-path`, "FOLDER", "the same in the files of a folder"),
  certificateFile: text(`${front}-ssl-cert`, "FILE", `certificate of this client for ${whose}`),
  keyFile: text(`${front}-ssl-key`, "FILE", "its key; that file unless given"),
  serverName: text(`${front}-ssl-server-name`, "NAME", `name that the certificate of ${whose} has to be for`),
  namespace: text(`${plain}namespace`, "NAME", `namespace of Consul Enterprise at ${whose}`),
  partition: text(`${plain}partition`, "NAME", `admin partition of Consul Enterprise at ${whose}`)
})

/** Of the agent that is replicated into. */
export const destinationAgent = agentOptions("consul", "", "the agent")

/** Of the source. */
export const sourceAgent = agentOptions("src", "src-", "the source")

/** `-timeout` with `-once`, unless it is given. */
export const onceTimeout = Duration.seconds(60)

/** In the order of the help. `-version` and `-help` are `@effect/cli`'s own. */
export const options = {
  src: valued({
    name: "src",
    group: what,
    value: "DATACENTER",
    description: "datacenter to replicate from; required",
    default: "",
    shownDefault: null,
    // `Replication.make` refuses none, after the prefix was looked at: it may hold the datacenter.
    parse: Either.right
  }),
  prefix: valued({
    name: "prefix",
    group: what,
    value: "PREFIX",
    description: "keys to replicate: those that begin with this; empty for all",
    default: Replication.defaults.prefix,
    parse: Either.right
  }),
  destinationPrefix: valued({
    name: "dst-prefix",
    group: what,
    value: "PREFIX",
    description: "what takes the place of the prefix at the destination; empty counts as not given",
    default: "",
    shownDefault: "the same as -prefix",
    // As in the Go tool's first release; a variable of the shell that is not set would name the whole store.
    parse: (text) => Either.right(text === "" ? undefined : text)
  }),
  exclude: repeated({
    name: "exclude",
    group: what,
    value: "PREFIX",
    description:
      "keys to leave alone on both sides: those that begin with this at the source; may be given several times",
    default: [],
    parse: required("an empty exclude would exclude every key")
  }),
  addr: valued({
    name: "addr",
    group: what,
    value: "ADDRESS",
    description:
      "the local Consul agent, host:port, an http(s):// URL or unix:///path; its datacenter is replicated into. Else " +
      "CONSUL_HTTP_ADDR",
    default: defaultAddress,
    variable: "CONSUL_HTTP_ADDR",
    // Whether it is asked over TLS depends on other settings.
    parse: (text) => Either.map(AddressOption.parse(text), () => text),
    mayRepeat: AddressOption.mayRepeat
  }),
  sourceAddr: text(
    "src-addr",
    "ADDRESS",
    "an agent of the source's own cluster, if that is not joined; -src may be left out then"
  ),
  maxDeletes: valued({
    name: "max-deletes",
    group: safety,
    value: "LIMIT",
    description:
      "how many keys one pass may delete: a share of the destination's, or a number; past it deletes are held back, " +
      `and ${DeleteLimit.alwaysAllowed} or fewer never are`,
    default: DeleteLimit.format(Replication.defaults.maxDeletes),
    parse: parseLimit
  }),
  noDelete: flag({
    name: "no-delete",
    group: safety,
    description: "never delete a key at the destination"
  }),
  lock: valued({
    name: "lock",
    group: instances,
    value: "KEY",
    description: "key of the lock that the leading instance holds; another replication needs another",
    default: LeaderLock.defaults.lock,
    parse: required("the lock needs a key")
  }),
  status: valued({
    name: "status",
    group: instances,
    value: "KEY",
    description: "key of the status, written with each change; another replication needs another",
    default: Replication.defaults.status,
    parse: required("the status needs a key")
  }),
  service: valued({
    name: "service",
    group: instances,
    value: "NAME",
    description: "name of the service under which the instances are registered",
    default: LeaderLock.defaults.service,
    parse: required("the service needs a name")
  }),
  agentless: flag({
    name: "agentless",
    group: instances,
    description:
      "several servers answer at the address, and no agent of this host: registers no service; a leader that is killed is " +
      "followed within twice the -session-ttl"
  }),
  sessionTtl: valued({
    name: "session-ttl",
    group: instances,
    value: "DURATION",
    description:
      "how long the session of the lock lives without a renewal, or longer if the servers demand it",
    default: "",
    shownDefault: "15s with -agentless, 30s without",
    parse: (text) => (text === "" ? Either.right(undefined) : DurationOption.parse(text))
  }),
  once: flag({
    name: "once",
    group: running,
    description:
      "replicate once and exit: 0, or 1 if deletes were held back, keys were refused, the token may not read the source " +
      "or a signal came first. Waits for the lock and for a source that does not answer, see -timeout"
  }),
  timeout: valued({
    name: "timeout",
    group: running,
    value: "DURATION",
    description:
      "how long to wait for one thing, such as an agent that does not answer or, with -once, the lock; then exit with 1 " +
      "and say what it was. 0 for ever",
    default: "",
    shownDefault: "0, or 60s with -once",
    parse: (text) =>
      text === "" ? Either.right(Option.none()) : Either.map(DurationOption.parse(text), Option.some)
  }),
  reconcile: valued({
    name: "reconcile",
    group: running,
    value: "DURATION",
    description: "how often to look at the destination for what others changed; 0 for never",
    default: "60s",
    parse: DurationOption.parse
  }),
  watchShards: valued({
    name: "watch-shards",
    group: running,
    value: "NUMBER",
    description:
      `blocking queries for the parts of a prefix of more than ${Replication.defaults.shardKeys} keys; 1 to watch it ` +
      "as one",
    default: String(Replication.defaults.watchShards),
    parse: parseNumber
  }),
  logLevel: valued({
    name: "log-level",
    // `@effect/cli` has a `--log-level` of its own, with other levels, and only where it is the first option.
    parsedAs: "level",
    group: running,
    value: "LEVEL",
    description: "lowest level that is logged: trace, debug, info, warning or error",
    default: "info",
    parse: parseLevel
  })
} as const
