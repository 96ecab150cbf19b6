/**
 * What the `consul` command reads from the environment, and this program too. A variable that would change where, how or as
 * whom the program connects, and that it does not support, is refused: to go on without would be another connection than
 * the one that was asked for, perhaps with the token in clear text.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Address } from "../../Address.js"
import * as Booleans from "./Booleans.js"
import { subject, WrongUse } from "./WrongUse.js"

/** For the help. */
export const documented = [
  ["CONSUL_HTTP_ADDR", "the agent's address, unless -addr is given"],
  [
    "CONSUL_HTTP_TOKEN_FILE",
    "file that holds the token; used before CONSUL_HTTP_TOKEN, as by the consul command"
  ],
  ["CONSUL_HTTP_TOKEN", "the token of every request; used before CONSUL_TOKEN, which 0.4.0 reads"],
  ["NODE_EXTRA_CA_CERTS", "file of certificates to trust beside those of Node.js, for https:// addresses"],
  ["NO_COLOR", "no colours on a terminal, if it is not empty"],
  [
    "others of consul",
    "CONSUL_HTTP_SSL, CONSUL_CACERT, CONSUL_NAMESPACE and their like are refused by name where they would change how " +
      "the program connects, for it does not support them yet"
  ]
] as const

const variable = (name: string) => Config.option(Config.nonEmptyString(name))

/** Variables that are refused if they hold anything, and what to do instead. */
const unsupported = [
  ["CONSUL_CACERT", "not supported yet; unset it, and name the file by NODE_EXTRA_CA_CERTS"],
  ["CONSUL_CAPATH", "not supported yet; unset it, and name one file by NODE_EXTRA_CA_CERTS"],
  ["CONSUL_CLIENT_CERT", "not supported yet; unset it, and use an address that asks for no certificate"],
  ["CONSUL_CLIENT_KEY", "not supported yet; unset it, and use an address that asks for no certificate"],
  [
    "CONSUL_TLS_SERVER_NAME",
    "not supported yet; unset it, and give -addr the name that the certificate is for"
  ],
  ["CONSUL_HTTP_AUTH", "not supported yet; unset it, and give Consul's token by CONSUL_HTTP_TOKEN"],
  ["CONSUL_NAMESPACE", "not supported yet; unset it: the default namespace is replicated"],
  ["CONSUL_PARTITION", "not supported yet; unset it: the default partition is replicated"]
] as const

const neither = (name: string, text: string) =>
  new WrongUse({
    subject: subject(name, text),
    problem: "neither true nor false; write one of them or unset it"
  })

/** Whether a variable says so; none where it is not set. */
const truth = (name: string) =>
  Effect.flatMap(
    variable(name),
    Effect.transposeMapOption((text) =>
      Option.match(Booleans.parse(text), {
        onNone: () => neither(name, text),
        onSome: (isTrue) => Effect.succeed({ text, isTrue })
      })
    )
  )

/**
 * Refuses variables that would have `consul` connect to this address in another way. As there, TLS that is asked for by
 * CONSUL_HTTP_SSL is not undone by an address with `http://`.
 */
export const validate = Effect.fnUntraced(function* (address: Address) {
  const isSecure = address.startsWith("https:")
  for (const [name, problem] of unsupported) {
    // Not repeated: one of them is a password.
    if (Option.isSome(yield* variable(name))) return yield* new WrongUse({ subject: name, problem })
  }
  const [ssl] = Option.toArray(yield* truth("CONSUL_HTTP_SSL"))
  if (ssl?.isTrue === true && !isSecure) {
    return yield* new WrongUse({
      subject: subject("CONSUL_HTTP_SSL", ssl.text),
      problem: `asks for TLS, and ${address} is an address without; give -addr=https://host:port`
    })
  }
  const [verify] = Option.toArray(yield* truth("CONSUL_HTTP_SSL_VERIFY"))
  if (verify?.isTrue === false && isSecure) {
    return yield* new WrongUse({
      subject: subject("CONSUL_HTTP_SSL_VERIFY", verify.text),
      problem:
        "certificates are always verified; unset it, and name the agent's certificate by NODE_EXTRA_CA_CERTS"
    })
  }
})

/** A token and the variable that it comes from. */
interface Named {
  readonly name: string
  readonly token: Redacted.Redacted
}

/** What a header carries to Consul as it is: other characters are refused on the way, or arrive as others. */
const carried = /^[\t\x20-\x7e]+$/

/** As `consul` does it with a file: spaces and newlines around the token are dropped, and nothing is no token. */
const named = (name: string, text: string): Effect.Effect<Option.Option<Named>, WrongUse> => {
  const token = text.trim()
  if (token === "") return Effect.succeedNone
  return carried.test(token)
    ? Effect.succeedSome({ name, token: Redacted.make(token) })
    : new WrongUse({
        subject: name,
        problem:
          "the token has a character that no header carries, such as a newline, or a letter outside of ASCII"
      })
}

const inVariable = (name: string) =>
  Effect.flatMap(
    Config.option(Config.redacted(name)),
    Option.match({ onNone: () => Effect.succeedNone, onSome: (text) => named(name, Redacted.value(text)) })
  )

const fileVariable = "CONSUL_HTTP_TOKEN_FILE"

const reasonOf = (error: PlatformError): string => {
  if (error._tag === "BadArgument") return error.description ?? error.message
  switch (error.reason) {
    case "NotFound":
      return "it is not there"
    case "PermissionDenied":
      return "this user may not read it"
    default:
      return /EISDIR/.test(error.message) ? "it is a directory" : (error.description ?? error.message)
  }
}

const inFile = Effect.gen(function* () {
  const [path] = Option.toArray(yield* variable(fileVariable))
  if (path === undefined) return Option.none<Named>()
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    files.readFileString(path),
    (error) =>
      new WrongUse({
        subject: subject(fileVariable, path),
        problem: `the file cannot be read: ${reasonOf(error)}`
      })
  )
  return yield* named(fileVariable, text)
})

/**
 * The token of every request, from the first of these that holds one: the file that CONSUL_HTTP_TOKEN_FILE names,
 * CONSUL_HTTP_TOKEN, CONSUL_TOKEN. `consul` (1.8.7) has the first two in this order, and passes over an empty file.
 * Warns if the other variable holds another token. A file that was named and is empty is refused if there is no other
 * token: nobody names a file to connect as nobody.
 */
export const token: Effect.Effect<
  Option.Option<Redacted.Redacted>,
  WrongUse | ConfigError,
  FileSystem.FileSystem
> = Effect.gen(function* () {
  const found = [yield* inFile, yield* inVariable("CONSUL_HTTP_TOKEN"), yield* inVariable("CONSUL_TOKEN")]
  const [used, ...others] = found.flatMap(Option.toArray)
  if (used === undefined) {
    const [path] = Option.toArray(yield* variable(fileVariable))
    if (path === undefined) return Option.none()
    return yield* new WrongUse({ subject: subject(fileVariable, path), problem: "the file holds no token" })
  }
  const other = others.find(({ token }) => Redacted.value(token) !== Redacted.value(used.token))
  if (other !== undefined) {
    yield* Effect.logWarning(`the token of ${used.name} is used; ${other.name} holds another one`)
  }
  return Option.some(used.token)
})
