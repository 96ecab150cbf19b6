/**
 * The texts for the agent of each side, from the command line, from files and from the environment.
 */
import * as Either from "effect/Either"
import type { AgentSettings, Given as Named } from "./AgentSettings.js"
import { type Given, shown } from "./Origin.js"
import { destination, source } from "./options/Connections.js"
import type { Setting } from "./Setting.js"
import * as Sources from "./Sources.js"
import type { WrongUse } from "./WrongUse.js"

/** The settings of one side. */
type Side = Readonly<Record<keyof typeof source, Setting<unknown>>>

const named =
  (name: string) =>
  ({ origin, text }: Given): Named => ({
    name: shown(origin, name),
    text,
    isVariable: origin._tag === "Variable" || origin._tag === "Default"
  })

/** The command line, files, variables of this program, variables of other programs: the lower rank counts more. */
const rank = ({ origin }: Given): number => {
  switch (origin._tag) {
    case "Flag":
      return 0
    case "File":
      return 1
    case "Variable":
      return origin.name.startsWith("CONSUL_REPLICATE_") ? 2 : 3
    case "Default":
      return 4
  }
}

/** An empty text is a variable of the shell that is not set. */
const givenFor = (setting: Setting<unknown>, sources: Sources.Sources): ReadonlyArray<Given> =>
  Sources.givenFor(setting, sources).filter(({ text }) => text !== "")

/**
 * If a token file and a token were given in the same way, the token file counts: `consul` (1.8.7) prefers CONSUL_HTTP_TOKEN_FILE
 * to CONSUL_HTTP_TOKEN. A token of the command line or of a configuration file replaces the tokens of variables without a warning.
 * Only if the token comes from a variable too are the others compared with it.
 */
const tokensOf = (settings: Side, sources: Sources.Sources) => {
  const [token, ...others] = givenFor(settings.token, sources)
  const [file] = givenFor(settings.tokenFile, sources)
  const isFile = file !== undefined && (token === undefined || rank(file) <= rank(token))
  const ofToken = named(settings.token.name)
  return {
    tokenFile: isFile ? named(settings.tokenFile.name)(file) : undefined,
    token: token === undefined ? undefined : ofToken(token),
    otherTokens: token !== undefined && rank(token) >= 2 ? others.map(ofToken) : []
  }
}

/** `user:password` from the option, from the keys of an `auth` block that is not switched off, or from the variable. */
const authOf = (settings: Side, sources: Sources.Sources): Named | undefined => {
  const [auth] = givenFor(settings.auth, sources)
  const [enabled] = givenFor(settings.authEnabled, sources)
  const [username] = givenFor(settings.authUsername, sources)
  const [password] = givenFor(settings.authPassword, sources)
  const ofAuth = named(settings.auth.name)
  if (auth?.origin._tag === "Flag") return ofAuth(auth)
  if (enabled !== undefined && /^(0|f)/i.test(enabled.text)) return undefined
  const first = username ?? password
  if (first === undefined) return auth === undefined ? undefined : ofAuth(auth)
  return { ...ofAuth(first), text: `${username?.text ?? ""}:${password?.text ?? ""}` }
}

const texts = (settings: Side, sources: Sources.Sources): AgentSettings => {
  const first = (key: keyof Side): Named | undefined => {
    const [given] = givenFor(settings[key], sources)
    return given === undefined ? undefined : named(settings[key].name)(given)
  }
  return {
    address: first("addr"),
    ...tokensOf(settings, sources),
    auth: authOf(settings, sources),
    ssl: first("sslEnabled"),
    sslVerify: first("sslVerify"),
    caFile: first("caCert"),
    caPath: first("caPath"),
    certificateFile: first("cert"),
    keyFile: first("key"),
    serverName: first("serverName"),
    namespace: first("namespace"),
    partition: first("partition")
  }
}

/** The texts of the agent that is replicated into. It always has an address. */
export const ofDestination = (
  sources: Sources.Sources
): Either.Either<AgentSettings & { readonly address: Named }, WrongUse> =>
  Either.map(Sources.values(destination, sources), ({ addr }) => ({
    ...texts(destination, sources),
    address: named(destination.addr.name)({ text: addr.value, origin: addr.origin })
  }))

/** The texts of the source. CONSUL_HTTP_SSL counts for it too if it has an address of its own. */
export const ofSource = (
  sources: Sources.Sources,
  ofDestination: AgentSettings
): Either.Either<AgentSettings, WrongUse> =>
  Either.map(Sources.values(source, sources), () => {
    const own = texts(source, sources)
    const { ssl } = ofDestination
    const everywhere = own.address !== undefined && ssl?.name === "CONSUL_HTTP_SSL" ? ssl : undefined
    return { ...own, ssl: own.ssl ?? everywhere }
  })
