/**
 * A setting, described once. The parser, the help, the completions, the reading of files and variables, the messages and
 * `docs/options.md` are made from it.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Documented } from "./Documented.js"
import { type Given, Origin, shown } from "./Origin.js"
import { subject, WrongUse } from "./WrongUse.js"

/** The kind of a setting's value in a configuration file. A `Flag` is true or false, and needs no value on the command line. */
export type Kind = "Text" | "Number" | "Flag"

/** The value of a setting, and the place at which it was given. */
export interface Resolved<A> {
  readonly value: A
  readonly origin: Origin
}

/** The fields that every kind of setting has. */
interface Description {
  /** The option, without its dash. */
  readonly name: string
  /** The heading under which the help shows the option. */
  readonly group: string
  readonly description: string
  /** Other names that work without a warning, such as the ones of 0.4.0. */
  readonly spellings?: ReadonlyArray<string>
  /** Names that work with a warning. */
  readonly deprecated?: ReadonlyArray<string>
  /** The options to write instead of one that works with a warning, which the help does not show. */
  readonly replacedBy?: string
  /** Variables of the environment that others defined, after this program's own. */
  readonly variables?: ReadonlyArray<string>
  /** Keys of a configuration file. The first is the one to write. */
  readonly keys?: ReadonlyArray<string>
  /** Whether the setting can be typed; true unless given. If false, it has only keys and variables. */
  readonly hasFlag?: boolean
  /** Whether the setting has a variable `CONSUL_REPLICATE_…`; true unless given. Small commands have none. */
  readonly hasVariable?: boolean
  /** Whether the value is a password or a token: no message repeats it. */
  readonly isSecret?: boolean
  /** The effect of a reload with a new value; `anew` unless given. */
  readonly reload?: Reload
}

/**
 * The effect of a reload with a new value of a setting. `kept`: replications that the setting does not concern go on. `anew`: the
 * lock is given back, and all replications begin anew. `refused`: the reload fails, as the value cannot change while the program
 * runs.
 */
export type Reload = "kept" | "anew" | "refused"

export interface Setting<A> extends Documented {
  readonly spellings: ReadonlyArray<string>
  readonly deprecated: ReadonlyArray<string>
  /** In the order in which they count. The first is this program's own. */
  readonly variables: ReadonlyArray<string>
  readonly keys: ReadonlyArray<string>
  readonly kind: Kind
  readonly hasFlag: boolean
  readonly isSecret: boolean
  readonly reload: Reload
  readonly isRepeated: boolean
  /** Decodes what was given, in the order in which it counts. */
  readonly decode: (given: ReadonlyArray<Given>) => Either.Either<A, WrongUse>
}

/** The variable of the environment that this program defines for a setting. */
const variableOf = (name: string): string =>
  `CONSUL_REPLICATE_${name
    .replace(/^consul-/, "")
    .replaceAll("-", "_")
    .toUpperCase()}`

const described = (description: Description, kind: Kind, isRepeated: boolean) => ({
  name: description.name,
  group: description.group,
  description: description.description,
  spellings: description.spellings ?? [],
  deprecated: description.deprecated ?? [],
  variables: [
    ...((description.hasVariable ?? true) ? [variableOf(description.name)] : []),
    ...(description.variables ?? [])
  ],
  keys: description.keys ?? [],
  kind,
  hasFlag: description.hasFlag ?? true,
  replacedBy: description.replacedBy,
  isSecret: description.isSecret ?? false,
  reload: description.reload ?? "anew",
  isRepeated
})

/** A schema of texts from a function. Its left is the problem of a text, and what to write instead, without the text. */
export const textSchema = <A>(parse: (text: string) => Either.Either<A, string>): Schema.Schema<A, string> =>
  Schema.transformOrFail(
    Schema.String,
    Schema.declare((_: unknown): _ is A => true),
    {
      strict: true,
      decode: (text, _, ast) =>
        Either.mapLeft(parse(text), (problem) => new ParseResult.Type(ast, text, problem)),
      encode: (value, _, ast) =>
        ParseResult.fail(new ParseResult.Forbidden(ast, value, "a setting is only read"))
    }
  )

/** Decodes one text. The error shows the text if `mayRepeat` allows it: an address may hold a password. */
const decodeText =
  <A>(name: string, schema: Schema.Schema<A, string>, mayRepeat: (text: string) => boolean) =>
  ({ origin, text }: Given): Either.Either<Resolved<A>, WrongUse> =>
    ParseResult.decodeEither(schema)(text).pipe(
      Either.mapBoth({
        onRight: (value) => ({ value, origin }),
        onLeft: (error) =>
          new WrongUse({
            subject: subject(
              shown(origin, name),
              origin._tag !== "Default" && mayRepeat(text) ? text : undefined
            ),
            problem: ParseResult.ArrayFormatter.formatIssueSync(error)[0]?.message ?? "cannot be read"
          })
      })
    )

interface Valued<A> extends Description {
  /** The name of the value in the help. */
  readonly value: string
  readonly schema: Schema.Schema<A, string>
  /** The default in the help, if it is not the decoded text; null for none. */
  readonly shownDefault?: string | null
  /** `Text` unless given. */
  readonly kind?: "Text" | "Number"
  /** Whether a message may show a text; of a secret none unless given. */
  readonly mayRepeat?: (text: string) => boolean
}

/** The fields of a setting with a value, and the decoder of one text. */
const valued = <A>(options: Valued<A>, isRepeated: boolean) => {
  const { isSecret = false, kind = "Text", mayRepeat = () => !isSecret, name, schema, value } = options
  return {
    fields: { ...described(options, kind, isRepeated), value },
    decode: decodeText(name, schema, mayRepeat)
  }
}

/** A setting whose value is undefined unless it is given. */
export const optional = <A>(options: Valued<A>): Setting<Resolved<A> | undefined> => {
  const { decode, fields } = valued(options, false)
  return {
    ...fields,
    shownDefault: options.shownDefault ?? undefined,
    decode: ([first]) => (first === undefined ? Either.right(undefined) : decode(first))
  }
}

/** A setting with a default, which is decoded like a given text. */
export const setting = <A>(options: Valued<A> & { readonly default: string }): Setting<Resolved<A>> => {
  const { decode, fields } = valued(options, false)
  return {
    ...fields,
    shownDefault: (options.shownDefault === undefined ? options.default : options.shownDefault) ?? undefined,
    decode: ([first]) => decode(first ?? { text: options.default, origin: Origin.Default() })
  }
}

/** A setting that may be given several times. All texts count: first the ones of files, then the ones of the command line. */
export const repeated = <A>(
  options: Valued<A> & { readonly default?: ReadonlyArray<string> }
): Setting<ReadonlyArray<Resolved<A>>> => {
  const { default: texts = [] } = options
  const { decode, fields } = valued(options, true)
  return {
    ...fields,
    shownDefault: options.shownDefault ?? (texts.length === 0 ? undefined : texts.join(" ")),
    decode: (given) =>
      Either.all(
        (given.length > 0 ? given : texts.map((text) => ({ text, origin: Origin.Default() }))).map(decode)
      )
  }
}

/** A setting that is on or off, and off unless `default` is true. */
export const flag = (
  options: Description & { readonly schema: Schema.Schema<boolean, string>; readonly default?: boolean }
): Setting<Resolved<boolean>> => {
  const { default: isOn = false, name, schema } = options
  const decode = decodeText(name, schema, () => true)
  return {
    ...described(options, "Flag", false),
    shownDefault: isOn ? "true" : undefined,
    decode: ([first]) =>
      first === undefined
        ? Either.right<Resolved<boolean>>({ value: isOn, origin: Origin.Default() })
        : decode(first)
  }
}

export type Settings = Readonly<Record<string, Setting<unknown>>>

/** The values of all settings of a record. */
export type Values<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer A> ? A : never
}

/** Every name under which a setting can be typed. */
export const allSpellings = ({
  deprecated,
  hasFlag,
  name,
  spellings
}: Setting<unknown>): ReadonlyArray<string> => (hasFlag ? [name, ...spellings, ...deprecated] : [])
