/**
 * An option, described once: the parser, the help and the messages are made from it.
 */
import * as Options from "@effect/cli/Options"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import { subject, WrongUse } from "./WrongUse.js"

/** What the help says of an option. */
export interface Documented {
  /** Without the dash. */
  readonly name: string
  /** The name in `@effect/cli`, where that is another. */
  readonly parsedAs?: string | undefined
  /** The heading under which the help shows the option. */
  readonly group: string
  /** The name of the option's value; a flag has none. */
  readonly value?: string | undefined
  readonly description: string
  /** Whether it may be given several times. */
  readonly repeats?: boolean | undefined
  /** What counts where the option is not given, for a person. */
  readonly shownDefault?: string | undefined
}

/** The value of an option, when it has been given a text that can be meant. */
export type Setting<A> = Effect.Effect<A, WrongUse | ConfigError>

export interface OptionSpec<A> extends Documented {
  readonly parser: Options.Options<Setting<A>>
}

interface Description {
  readonly name: string
  readonly parsedAs?: string
  readonly group: string
  readonly value: string
  readonly description: string
}

/** An option with a value. */
export const valued = <A>(
  options: Description & {
    /** The text that counts where the option is not given. */
    readonly default: string
    /** What the help shows in place of `default`; null shows none. */
    readonly shownDefault?: string | null
    /** The variable of the environment that counts where the option is not given. */
    readonly variable?: string
    /** Left: what is wrong with the text and what to write, without the text. */
    readonly parse: (text: string) => Either.Either<A, string>
    /** Whether a text that is refused may be repeated: it may hold a password. */
    readonly mayRepeat?: (text: string) => boolean
  }
): OptionSpec<A> => {
  const { description, group, mayRepeat = () => true, name, parsedAs, parse, value, variable } = options
  const shownDefault = options.shownDefault === undefined ? options.default : options.shownDefault
  const read = (where: string, text: string, given: boolean) =>
    Effect.mapError(
      parse(text),
      (problem) =>
        new WrongUse({ subject: subject(where, given && mayRepeat(text) ? text : undefined), problem })
    )
  const inEnvironment =
    variable === undefined
      ? Effect.succeedNone
      : Effect.map(
          Config.option(Config.nonEmptyString(variable)),
          Option.map((text) => [variable, text] as const)
        )
  const setting = (given: Option.Option<string>): Setting<A> =>
    Option.match(given, {
      onSome: (text) => read(`-${name}`, text, true),
      onNone: () =>
        Effect.flatMap(
          inEnvironment,
          Option.match({
            onSome: ([variable, text]) => read(variable, text, true),
            onNone: () => read(`-${name}`, options.default, false)
          })
        )
    })
  return {
    name,
    parsedAs,
    group,
    value,
    description,
    shownDefault: shownDefault ?? undefined,
    parser: Options.text(parsedAs ?? name).pipe(Options.optional, Options.map(setting))
  }
}

/** An option that is there or not. */
export const flag = (options: Omit<Description, "value">): OptionSpec<boolean> => ({
  ...options,
  parser: Options.map(Options.boolean(options.name), (given) => Effect.succeed(given))
})

/** Stands for an empty text, which `@effect/cli` drops if the option may be given several times. No argument has this character. */
export const emptyText = "\0"

/** An option that may be given several times, with `default` as its only text where it is not given. */
export const repeated = <A>(
  options: Description & {
    readonly default: ReadonlyArray<string>
    readonly parse: (text: string) => Either.Either<A, string>
  }
): OptionSpec<ReadonlyArray<A>> => ({
  ...options,
  repeats: true,
  shownDefault: options.default.length === 0 ? undefined : options.default.join(" "),
  parser: Options.text(options.name).pipe(
    Options.repeated,
    Options.map((texts) => texts.map((text) => (text === emptyText ? "" : text))),
    Options.map((given) =>
      Effect.forEach(given.length === 0 ? options.default : given, (text) =>
        Effect.mapError(
          options.parse(text),
          (problem) => new WrongUse({ subject: subject(`-${options.name}`, text), problem })
        )
      )
    )
  )
})

export type Specs = Readonly<Record<string, OptionSpec<unknown>>>

type Parsers<S extends Specs> = { readonly [K in keyof S]: S[K]["parser"] }

/** What `@effect/cli` parses. */
export const parsers = <S extends Specs>(specs: S): Parsers<S> =>
  // `Record.map` forgets which option has which type of value.
  Record.map(specs, ({ parser }: OptionSpec<unknown>) => parser) as Parsers<S>

/** The values of all options. */
export type Values<S extends Specs> = {
  readonly [K in keyof S]: S[K] extends OptionSpec<infer A> ? A : never
}
