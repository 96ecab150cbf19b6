/**
 * The address, the credentials and the TLS of one agent, from texts that were given for them. If TLS was asked for and the
 * address has none, the settings are refused: a token would be sent without TLS.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Address from "../../Address.js"
import type { Endpoint, Token } from "../../internal/consul/Endpoint.js"
import type { AgentConnection } from "../node/AgentConnections.js"
import * as HttpProxy from "../node/HttpProxy.js"
import * as Tls from "../node/Tls.js"
import * as TokenFile from "../node/TokenFile.js"
import * as AddressOption from "./AddressOption.js"
import * as Booleans from "./Booleans.js"
import { reasonOf } from "./FileReason.js"
import { subject, WrongUse } from "./WrongUse.js"

/** A text that was given for a setting. */
export interface Given {
  /** The place: `-consul-ssl-ca-cert`, `CONSUL_CACERT`, or a key of a file with its line. */
  readonly name: string
  readonly text: string
  /** Whether the place is a variable of the environment, which may be meant for other programs. */
  readonly isVariable: boolean
}

/** The texts for one agent. Each is the one that counts, or undefined if none was given. */
export interface AgentSettings {
  readonly address: Given | undefined
  /** The path of a file with the token. It counts before `token`. */
  readonly tokenFile: Given | undefined
  readonly token: Given | undefined
  /** Further texts that are tokens. If one differs from the token in use, the log warns of it. */
  readonly otherTokens: ReadonlyArray<Given>
  /** `user:password` of HTTP's basic authentication. */
  readonly auth: Given | undefined
  /** Whether to use TLS. */
  readonly ssl: Given | undefined
  /** Whether to verify the server's certificate. */
  readonly sslVerify: Given | undefined
  readonly caFile: Given | undefined
  readonly caPath: Given | undefined
  readonly certificateFile: Given | undefined
  readonly keyFile: Given | undefined
  readonly serverName: Given | undefined
  readonly namespace: Given | undefined
  readonly partition: Given | undefined
}

/** The options of one agent with their dash, for messages. */
export interface Flags {
  readonly address: string
  readonly caFile: string
  readonly certificateFile: string
  readonly serverName: string
}

/** An agent whose settings were checked. */
export interface Agent {
  readonly endpoint: Endpoint
  readonly connection: AgentConnection
}

const subjectOf = ({ name, text }: Given): string => subject(name, text)

const truth = (given: Given | undefined): Effect.Effect<boolean | undefined, WrongUse> =>
  given === undefined
    ? Effect.succeed(undefined)
    : Effect.mapError(
        Booleans.parse(given.text),
        () =>
          new WrongUse({
            subject: subjectOf(given),
            problem: "neither true nor false; write one of them or unset it"
          })
      )

/** Characters that reach Consul in a header unchanged. Others are refused on the way, or arrive as different ones. */
const headerText = /^[\t\x20-\x7e]+$/

/** Spaces and newlines around the token are dropped, as `consul` does it with a file. */
const tokenIn = (name: string, text: string): Effect.Effect<Option.Option<Redacted.Redacted>, WrongUse> => {
  const token = text.trim()
  if (token === "") return Effect.succeedNone
  return headerText.test(token)
    ? Effect.succeedSome(Redacted.make(token))
    : new WrongUse({
        subject: name,
        problem:
          "the token has a character that no header carries, such as a newline, or a letter outside of ASCII; give the token alone"
      })
}

const readTokenFile = (file: Given) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const text = yield* Effect.mapError(
      files.readFileString(file.text),
      (error) =>
        new WrongUse({ subject: subjectOf(file), problem: `the file cannot be read: ${reasonOf(error)}` })
    )
    return yield* tokenIn(file.name, text)
  })

const noTokenIn = (file: Given) =>
  new WrongUse({ subject: subjectOf(file), problem: "the file has no token; write the token alone into it" })

/** Warns of a secret on the command line. */
const warnOfCommandLine = ({ name }: Given, instead: string) =>
  name.startsWith("-")
    ? Effect.logWarning(`${name}: every user of this machine sees it in the list of processes; ${instead}`)
    : Effect.void

/** The token of the file or, if that is empty, the given token. An empty file is refused if no token was given. */
const tokenOf = Effect.fnUntraced(function* ({
  otherTokens,
  token,
  tokenFile
}: AgentSettings): Effect.fn.Return<Token | undefined, WrongUse, FileSystem.FileSystem | Scope.Scope> {
  const inFile = tokenFile === undefined ? Option.none() : yield* readTokenFile(tokenFile)
  const texts = token === undefined ? otherTokens : [token, ...otherTokens]
  const candidates: Array<{ readonly name: string; readonly token: Redacted.Redacted }> = []
  for (const given of texts) {
    const [read] = Option.toArray(yield* tokenIn(given.name, given.text))
    if (read !== undefined) candidates.push({ name: given.name, token: read })
  }
  if (tokenFile !== undefined && Option.isSome(inFile)) {
    candidates.unshift({ name: tokenFile.name, token: inFile.value })
  }
  const [used, ...others] = candidates
  if (used === undefined) {
    return tokenFile === undefined ? undefined : yield* noTokenIn(tokenFile)
  }
  const other = others.find(({ token }) => Redacted.value(token) !== Redacted.value(used.token))
  if (other !== undefined) {
    yield* Effect.logWarning(`the token of ${used.name} is used; ${other.name} holds another one`)
  }
  if (tokenFile === undefined || Option.isNone(inFile)) {
    if (token !== undefined && used.name === token.name) {
      yield* warnOfCommandLine(token, "name a file that holds the token instead")
    }
    return used.token
  }
  const read = Effect.flatMap(
    readTokenFile(tokenFile),
    Option.match({ onNone: () => noTokenIn(tokenFile), onSome: Effect.succeed })
  )
  const context = yield* Effect.context<FileSystem.FileSystem>()
  return yield* TokenFile.follow({
    path: tokenFile.text,
    name: tokenFile.name,
    first: inFile.value,
    read: Effect.provide(read, context)
  })
})

/**
 * Which settings ask for TLS. `strictly` is a setting that no address without TLS satisfies. `loosely` is also true if only
 * variables name certificates: an address with `http://` may ignore these, as they may be for other programs.
 */
const asksForTls = (
  settings: AgentSettings,
  ssl: boolean | undefined
): { readonly strictly: Given | undefined; readonly loosely: boolean } => {
  const { caFile, caPath, certificateFile, keyFile, serverName, sslVerify } = settings
  const files = [caFile, caPath, certificateFile, keyFile, serverName].filter((given) => given !== undefined)
  if (ssl === false) return { strictly: undefined, loosely: false }
  const [byOption] = [...files, ...(sslVerify === undefined ? [] : [sslVerify])].filter(
    ({ isVariable }) => !isVariable
  )
  const strictly = ssl === true ? settings.ssl : byOption
  return { strictly, loosely: strictly !== undefined || files.length > 0 }
}

const addressOf = Effect.fnUntraced(function* (settings: AgentSettings, given: Given, flags: Flags) {
  const { strictly, loosely } = asksForTls(settings, yield* truth(settings.ssl))
  const address = yield* Effect.mapError(
    AddressOption.parse(given.text, loosely ? "https" : "http"),
    (problem) =>
      new WrongUse({
        subject: AddressOption.mayRepeat(given.text) ? subjectOf(given) : given.name,
        problem
      })
  )
  if (strictly === undefined || Address.isSecure(address)) return address
  return yield* new WrongUse({
    subject: subjectOf(strictly),
    problem: `asks for TLS, and the address ${address} has none; give ${flags.address}=https://host:port, or drop ${strictly.name} if the agent speaks no TLS`
  })
})

const tlsOf = Effect.fnUntraced(function* (settings: AgentSettings, address: Address.Address) {
  if (!Address.isSecure(address)) return undefined
  const verify = yield* truth(settings.sslVerify)
  if (verify === false && settings.sslVerify !== undefined) {
    yield* Effect.logWarning(
      `${subjectOf(settings.sslVerify)}: the certificate of ${address} is not verified; any server that answers there gets the token`
    )
  }
  return yield* Effect.mapError(
    Tls.make({
      caFile: settings.caFile?.text,
      caPath: settings.caPath?.text,
      certificateFile: settings.certificateFile?.text,
      keyFile: settings.keyFile?.text,
      serverName: settings.serverName?.text,
      verify
    }),
    ({ field, path, problem }) =>
      new WrongUse({ subject: subject(settings[field]?.name ?? field, path), problem })
  )
})

const proxyOf = (address: Address.Address, variables: HttpProxy.ProxyVariables) =>
  Effect.mapError(
    HttpProxy.proxyFor(address, variables),
    ({ isSecure, problem }) => new WrongUse({ subject: isSecure ? "HTTPS_PROXY" : "HTTP_PROXY", problem })
  )

/** The fields of an endpoint that do not depend on its address. */
const identityOf = Effect.fnUntraced(function* (settings: AgentSettings) {
  const { auth, namespace, partition } = settings
  const token = yield* tokenOf(settings)
  if (auth !== undefined) yield* warnOfCommandLine(auth, "give it by a variable instead")
  return {
    ...(token !== undefined && { token }),
    ...(auth !== undefined && { auth: Redacted.make(auth.text) }),
    ...(namespace !== undefined && { namespace: namespace.text }),
    ...(partition !== undefined && { partition: partition.text })
  }
})

/**
 * Checks the settings of an agent with an address. `ofToken` is the name of the setting of its token, if there is a second agent.
 */
export const resolve = Effect.fnUntraced(function* (
  settings: AgentSettings & { readonly address: Given },
  flags: Flags,
  proxies: HttpProxy.ProxyVariables,
  ofToken: string | undefined
): Effect.fn.Return<Agent, WrongUse, FileSystem.FileSystem | Scope.Scope> {
  const address = yield* addressOf(settings, settings.address, flags)
  const identity = yield* identityOf(settings)
  const tls = yield* tlsOf(settings, address)
  const { certificateFile } = settings
  return {
    endpoint: {
      address,
      ...identity,
      settings: {
        address: flags.address,
        ca: settings.caFile?.name ?? settings.caPath?.name ?? flags.caFile,
        serverName: settings.serverName?.name ?? flags.serverName,
        certificate:
          certificateFile === undefined
            ? `${flags.certificateFile}, which is not given`
            : subjectOf(certificateFile),
        ...(ofToken !== undefined && { token: ofToken })
      }
    },
    connection: { address, tls, proxy: yield* proxyOf(address, proxies) }
  }
})

/**
 * Checks the settings of a source that the destination's agent forwards to. Settings of a connection are refused: the connection is
 * the destination's.
 */
export const resolveSame = Effect.fnUntraced(function* (
  settings: AgentSettings,
  flags: Flags,
  ofToken: string
): Effect.fn.Return<Partial<Omit<Endpoint, "address">>, WrongUse, FileSystem.FileSystem | Scope.Scope> {
  const { caFile, caPath, certificateFile, keyFile, serverName, ssl, sslVerify } = settings
  const [alone] = [ssl, sslVerify, caFile, caPath, certificateFile, keyFile, serverName].filter(
    (given) => given !== undefined
  )
  if (alone !== undefined) {
    return yield* new WrongUse({
      subject: subjectOf(alone),
      problem: `is for a source with an agent of its own; name that agent by ${flags.address}`
    })
  }
  const identity = yield* identityOf(settings)
  return { ...identity, ...(identity.token !== undefined && { settings: { token: ofToken } }) }
})
