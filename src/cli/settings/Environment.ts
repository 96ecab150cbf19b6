/**
 * What the `consul` command reads from the environment, and this program too; the source has variables of its own. A token goes
 * to its own agent only.
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import type { ProxyVariables } from "../node/HttpProxy.js"
import type { AgentSettings, Given } from "./AgentSettings.js"

/** For the help. */
export const documented = [
  ["CONSUL_HTTP_ADDR", "the agent's address, unless -addr is given"],
  [
    "CONSUL_HTTP_TOKEN_FILE",
    "file that holds the token; used before CONSUL_HTTP_TOKEN, as by the consul command, and read again when it changes"
  ],
  ["CONSUL_HTTP_TOKEN", "the token of every request; used before CONSUL_TOKEN, which 0.4.0 reads"],
  ["CONSUL_HTTP_AUTH", "user:password of HTTP's basic authentication"],
  [
    "CONSUL_HTTP_SSL",
    "true for TLS, as an https:// address; CONSUL_HTTP_SSL_VERIFY=false to take any certificate"
  ],
  ["CONSUL_CACERT", "file of the authorities to trust; CONSUL_CAPATH is a folder of such files"],
  ["CONSUL_CLIENT_CERT", "certificate of this client, with the key in CONSUL_CLIENT_KEY"],
  ["CONSUL_TLS_SERVER_NAME", "name that the agent's certificate has to be for"],
  ["CONSUL_NAMESPACE", "namespace of Consul Enterprise, and CONSUL_PARTITION its partition"],
  [
    "CONSUL_REPLICATE_SRC_*",
    "the same for the source: CONSUL_REPLICATE_SRC_ADDR, _TOKEN, _TOKEN_FILE, _AUTH, _SSL, _SSL_VERIFY, _SSL_CA_CERT, " +
      "_SSL_CA_PATH, _SSL_CERT, _SSL_KEY, _SSL_SERVER_NAME, _NAMESPACE, _PARTITION"
  ],
  [
    "HTTP_PROXY, HTTPS_PROXY",
    "proxy for http:// and for https:// addresses, except for those in NO_PROXY and for this machine"
  ],
  ["NODE_EXTRA_CA_CERTS", "file of certificates to trust beside those of Node.js, if no authority is named"],
  ["NO_COLOR", "no colours on a terminal, if it is not empty"]
] as const

/** The first of these variables that is set and not empty. */
const first = (names: ReadonlyArray<string>): Effect.Effect<Given | undefined, ConfigError> =>
  Effect.map(all(names), ([given]) => given)

const all = (names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Given>, ConfigError> =>
  Effect.map(
    Effect.forEach(names, (name) =>
      Effect.map(Config.option(Config.nonEmptyString(name)), (text) =>
        Option.map(text, (text): Given => ({ name, text, isVariable: true }))
      )
    ),
    (found) => found.flatMap(Option.toArray)
  )

type Names = { readonly [K in keyof Omit<AgentSettings, "otherTokens">]: ReadonlyArray<string> }

const destination: Names = {
  // Read with the option.
  address: [],
  tokenFile: ["CONSUL_HTTP_TOKEN_FILE"],
  token: ["CONSUL_HTTP_TOKEN", "CONSUL_TOKEN"],
  auth: ["CONSUL_HTTP_AUTH"],
  ssl: ["CONSUL_HTTP_SSL"],
  sslVerify: ["CONSUL_HTTP_SSL_VERIFY"],
  caFile: ["CONSUL_CACERT"],
  caPath: ["CONSUL_CAPATH"],
  certificateFile: ["CONSUL_CLIENT_CERT"],
  keyFile: ["CONSUL_CLIENT_KEY"],
  serverName: ["CONSUL_TLS_SERVER_NAME"],
  namespace: ["CONSUL_NAMESPACE"],
  partition: ["CONSUL_PARTITION"]
}

const source: Names = Record.map(
  {
    address: "ADDR",
    tokenFile: "TOKEN_FILE",
    token: "TOKEN",
    auth: "AUTH",
    ssl: "SSL",
    sslVerify: "SSL_VERIFY",
    caFile: "SSL_CA_CERT",
    caPath: "SSL_CA_PATH",
    certificateFile: "SSL_CERT",
    keyFile: "SSL_KEY",
    serverName: "SSL_SERVER_NAME",
    namespace: "NAMESPACE",
    partition: "PARTITION"
  },
  (name) => [`CONSUL_REPLICATE_SRC_${name}`]
)

/** Texts of options, by what they are. Empty: not given. */
export type Typed = { readonly [K in keyof Names]: { readonly flag: string; readonly text: string } }

const settings = (names: Names, typed: Typed): Effect.Effect<AgentSettings, ConfigError> =>
  Effect.gen(function* () {
    const of = (key: keyof Names) =>
      typed[key].text === ""
        ? first(names[key])
        : Effect.succeed<Given>({ name: `-${typed[key].flag}`, text: typed[key].text, isVariable: false })
    const token = yield* of("token")
    const tokenFile = yield* of("tokenFile")
    const inVariables = yield* all(names.token)
    return {
      address: yield* of("address"),
      // An option counts before a variable, also of the other kind.
      tokenFile: token?.isVariable === false && tokenFile?.isVariable === true ? undefined : tokenFile,
      token,
      otherTokens: inVariables.filter(({ name }) => name !== token?.name),
      auth: yield* of("auth"),
      ssl: yield* of("ssl"),
      sslVerify: yield* of("sslVerify"),
      caFile: yield* of("caFile"),
      caPath: yield* of("caPath"),
      certificateFile: yield* of("certificateFile"),
      keyFile: yield* of("keyFile"),
      serverName: yield* of("serverName"),
      namespace: yield* of("namespace"),
      partition: yield* of("partition")
    }
  })

/** What was given for the agent that is replicated into. */
export const destinationSettings = (typed: Typed) => settings(destination, typed)

/** What was given for the source. `CONSUL_HTTP_SSL=true` is about every address. */
export const sourceSettings = (typed: Typed) =>
  Effect.gen(function* () {
    const own = yield* settings(source, typed)
    return { ...own, ssl: own.ssl ?? (own.address === undefined ? undefined : yield* first(destination.ssl)) }
  })

/** The variables by which Go's programs are told of proxies. */
export const proxies: Effect.Effect<ProxyVariables, ConfigError> = Effect.gen(function* () {
  const text = (...names: ReadonlyArray<string>) => Effect.map(first(names), (given) => given?.text)
  return {
    http: yield* text("HTTP_PROXY", "http_proxy"),
    https: yield* text("HTTPS_PROXY", "https_proxy"),
    none: yield* text("NO_PROXY", "no_proxy")
  }
})
