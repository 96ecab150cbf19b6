/**
 * The options: what `@effect/cli` parses, and what the help says of them, side by side.
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as Record from "effect/Record"
import * as DeleteLimit from "../DeleteLimit.js"
import * as Replication from "../Replication.js"
import * as duration from "./duration.js"
import type { Documented } from "./help.js"

/** Options of every command that replicates. */
export const documented = {
  addr: {
    value: "ADDRESS",
    description: "HTTP address of the local Consul agent; its datacenter is replicated into",
    default: "127.0.0.1:8500"
  },
  src: {
    value: "DATACENTER",
    description: "datacenter to replicate from; required"
  },
  prefix: {
    value: "PREFIX",
    description: "keys to replicate: those that begin with this; empty for all",
    default: Replication.defaults.prefix
  },
  "dst-prefix": {
    value: "PREFIX",
    description: "what takes the place of the prefix at the destination; empty counts as not given",
    default: "the same as -prefix"
  },
  lock: {
    value: "KEY",
    description: "key of the lock that the leading instance holds",
    default: Replication.defaults.lock
  },
  status: {
    value: "KEY",
    description: "key of the status, written with each change",
    default: Replication.defaults.status
  },
  service: {
    value: "NAME",
    description: "name of the service under which the instances are registered",
    default: Replication.defaults.service
  },
  "max-deletes": {
    value: "LIMIT",
    description:
      "how many keys one pass may delete: a share of the destination's, or a number; past it deletes are held back, " +
      `and ${DeleteLimit.alwaysAllowed} or fewer never are`,
    default: DeleteLimit.format(Replication.defaults.maxDeletes)
  },
  "no-delete": {
    description: "never delete a key at the destination"
  },
  reconcile: {
    value: "DURATION",
    description: "how often to look at the destination for what others changed; 0 for never",
    default: "60s"
  },
  "watch-shards": {
    value: "NUMBER",
    description:
      `blocking queries for the parts of a prefix of more than ${Replication.defaults.shardKeys} keys; 1 to watch it ` +
      "as one",
    default: String(Replication.defaults.watchShards)
  },
  once: {
    description:
      "replicate once and exit: 0, or 1 if deletes were held back or a signal came first; what is away is waited for, " +
      "and so is the lock"
  },
  "log-level": {
    value: "LEVEL",
    // `@effect/cli` has a `--log-level` of its own, with other levels, and only where it is the first option.
    parsedAs: "level",
    description: "lowest level that is logged: debug, info, warning or error",
    default: "info"
  }
} as const satisfies Readonly<Record<string, Documented>>

const levels: Readonly<Record<string, LogLevel.LogLevel>> = {
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error
}

const levelOf = (name: string): Either.Either<LogLevel.LogLevel, ValidationError.ValidationError> =>
  Either.fromNullable(Record.has(levels, name) ? levels[name] : undefined, () =>
    ValidationError.invalidValue(
      HelpDoc.p(`option -log-level is ${Object.keys(levels).join(", ")}, not ${JSON.stringify(name)}`)
    )
  )

const intervalOf = (text: string): Either.Either<Duration.Duration, ValidationError.ValidationError> =>
  Either.mapLeft(duration.parse(text), (expected) =>
    ValidationError.invalidValue(HelpDoc.p(`option -reconcile is ${expected}`))
  )

const numberOf = (text: string): Either.Either<number, ValidationError.ValidationError> =>
  /^\d{1,6}$/.test(text)
    ? Either.right(Number(text))
    : Either.left(
        ValidationError.invalidValue(
          HelpDoc.p(`option -watch-shards is a number such as 16, not ${JSON.stringify(text)}`)
        )
      )

/** `-version` and `-help` are `@effect/cli`'s own. */
export const options = {
  addr: Options.text("addr").pipe(Options.optional),
  src: Options.text("src").pipe(Options.withDefault("")),
  prefix: Options.text("prefix").pipe(Options.withDefault(documented.prefix.default)),
  destinationPrefix: Options.text("dst-prefix").pipe(Options.optional),
  lock: Options.text("lock").pipe(Options.withDefault(documented.lock.default)),
  status: Options.text("status").pipe(Options.withDefault(documented.status.default)),
  service: Options.text("service").pipe(Options.withDefault(documented.service.default)),
  maxDeletes: Options.text("max-deletes").pipe(Options.withDefault(documented["max-deletes"].default)),
  noDelete: Options.boolean("no-delete"),
  reconcile: Options.text("reconcile").pipe(
    Options.withDefault(documented.reconcile.default),
    Options.mapEffect(intervalOf)
  ),
  watchShards: Options.text("watch-shards").pipe(
    Options.withDefault(documented["watch-shards"].default),
    Options.mapEffect(numberOf)
  ),
  once: Options.boolean("once"),
  logLevel: Options.text("level").pipe(Options.withDefault("info"), Options.mapEffect(levelOf))
}
