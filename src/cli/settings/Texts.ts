/**
 * Schemas of the texts of settings.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as DeleteLimit from "../../DeleteLimit.js"
import * as AddressOption from "./AddressOption.js"
import * as Booleans from "./Booleans.js"
import * as DurationOption from "./DurationOption.js"
import { textSchema } from "./Setting.js"
import * as Signals from "./Signals.js"

/** Any text. */
export const Text = Schema.String

/** Any text that is not empty. */
export const required = (problem: string): Schema.Schema<string> =>
  Schema.String.pipe(Schema.filter((text) => text !== "" || problem))

/** An empty text counts as not given: it may be a variable of the shell that is not set. */
const orNone = <A>(parse: (text: string) => Either.Either<A, string>): Schema.Schema<A | undefined, string> =>
  textSchema((text) => (text === "" ? Either.right(undefined) : parse(text)))

export const TextOrNone = orNone(Either.right<string>)

export const Truth: Schema.Schema<boolean, string> = textSchema((text) =>
  Either.fromOption(Booleans.parse(text), () => "neither true nor false; write one of them")
)

/** The text of a valid address. Other settings decide whether it is asked over TLS. */
const addressText = (text: string) => Either.map(AddressOption.parse(text), () => text)

export const Address: Schema.Schema<string, string> = textSchema(addressText)

export const AddressOrNone = orNone(addressText)

const GoDuration: Schema.Schema<Duration.Duration, string> = textSchema(DurationOption.parse)

export { GoDuration as Duration }

export const DurationOrNone = orNone(DurationOption.parse)

const Whole: Schema.Schema<number, string> = textSchema((text) =>
  /^\d{1,6}$/.test(text) ? Either.right(Number(text)) : Either.left("not a number; write one such as 16")
)

export { Whole as Number }

const levels: ReadonlyMap<string, LogLevel.LogLevel> = new Map([
  ["trace", LogLevel.Trace],
  ["debug", LogLevel.Debug],
  ["info", LogLevel.Info],
  ["warning", LogLevel.Warning],
  ["warn", LogLevel.Warning],
  ["error", LogLevel.Error],
  ["err", LogLevel.Error]
])

/** A log level, in any case. As in 0.4.0, spaces around it are dropped. */
export const Level: Schema.Schema<LogLevel.LogLevel, string> = textSchema((text) =>
  Either.fromNullable(
    levels.get(text.trim().toLowerCase()),
    () => "not a level; write trace, debug, info, warning or error"
  )
)

/** The text of a valid limit: the library parses it again. */
export const Limit: Schema.Schema<string, string> = textSchema((text) =>
  Either.mapBoth(DeleteLimit.parse(text), {
    onLeft: () => "not a limit; write a share from 0% to 100%, such as 50%, or a number of keys such as 200",
    onRight: () => text
  })
)

/** A signal that a program can listen for, or none. */
export const Signal: Schema.Schema<NodeJS.Signals | undefined, string> = textSchema(Signals.parse)

/** `user` or `user:password`. */
export const UserAndPassword: Schema.Schema<string> = Schema.String.pipe(
  Schema.filter((text) => (text === "" ? "needs a user; write user:password" : undefined))
)

/** How long changes wait before they are replicated. */
export interface Quiescence {
  /** The time without a change after which changes are replicated. */
  readonly min: Duration.Duration
  /** The time after the first change at which changes are replicated even if more follow. */
  readonly max: Duration.Duration
}

/** `max` divided by `min` if only `min` is given, as in 0.4.0. */
const maxPerMin = 4

const wrongWait = "not a wait; write it as min or min:max, such as 5s or 5s:10s"

/** A wait. `max` is four times `min` unless given. Left: the problem. */
export const quiescence = (
  min: Duration.Duration,
  max: Duration.Duration = Duration.times(min, maxPerMin)
): Either.Either<Quiescence, string> =>
  Duration.lessThan(max, min)
    ? Either.left("the longest wait is shorter than the shortest; write min:max, such as 5s:10s")
    : Either.right({ min, max })

/** `min` or `min:max`. */
export const Wait: Schema.Schema<Quiescence, string> = textSchema((text) => {
  const parts = text.split(":").map((part) => Either.getRight(DurationOption.parse(part.trim())))
  if (parts.length > 2) return Either.left(wrongWait)
  return Option.match(Option.all(parts), {
    onNone: () => Either.left(wrongWait),
    onSome: ([min = Duration.zero, max]) => quiescence(min, max)
  })
})

const facilities: ReadonlySet<string> = new Set([
  ...["KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP"],
  ...Array.from({ length: 8 }, (_, i) => `LOCAL${i}`)
])

/** A facility of syslog, in any case. */
export const Facility: Schema.Schema<string, string> = textSchema((text) =>
  facilities.has(text.toUpperCase())
    ? Either.right(text.toUpperCase())
    : Either.left("not a facility of syslog; write DAEMON, USER, or LOCAL0 to LOCAL7")
)

/** An exclude. An empty one would exclude every key. */
export const Exclude: Schema.Schema<string, string> = textSchema((text) =>
  text.trim() === ""
    ? Either.left("an empty exclude would exclude every key; write the front of a source key")
    : Either.right(text)
)
