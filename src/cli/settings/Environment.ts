/**
 * Settings that are given by variables of the environment.
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ProxyVariables } from "../node/HttpProxy.js"
import { hint } from "./DidYouMean.js"
import { type Given, Origin } from "./Origin.js"
import type { Setting } from "./Setting.js"
import type { ByName } from "./Sources.js"

/** Variables that are no settings, for the help. */
export const documented = [
  [
    "HTTP_PROXY, HTTPS_PROXY",
    "proxy for http:// and for https:// addresses, except for hosts in NO_PROXY and for this machine"
  ],
  [
    "NODE_EXTRA_CA_CERTS",
    "file of certificates to trust beside the ones of Node.js, if no authority is named"
  ],
  ["NO_COLOR", "no colours on a terminal, if it is not empty"]
] as const

/** The texts of a variable, with commas between them if the setting is repeated. An empty variable counts as not set. */
const inVariable = (name: string, isRepeated: boolean): Effect.Effect<ReadonlyArray<Given>, ConfigError> =>
  Effect.map(
    Config.option(Config.nonEmptyString(name)),
    Option.match({
      onNone: () => [],
      onSome: (text) =>
        (isRepeated ? text.split(",") : [text]).map((text) => ({ text, origin: Origin.Variable({ name }) }))
    })
  )

/** The texts of the variables of settings. Of a setting that may be repeated, only the first variable that is set counts. */
export const read = (settings: ReadonlyArray<Setting<unknown>>): Effect.Effect<ByName, ConfigError> =>
  Effect.forEach(settings, ({ isRepeated, name, variables }) =>
    Effect.map(
      Effect.forEach(variables, (variable) => inVariable(variable, isRepeated)),
      (given) => [name, isRepeated ? (given.find((texts) => texts.length > 0) ?? []) : given.flat()] as const
    )
  ).pipe(Effect.map((entries) => new Map(entries)))

/** The names of all variables that are set: a `ConfigProvider` only answers for names that it is asked for. */
export class Names extends Context.Reference<Names>()("consul-replicate/cli/Environment/Names", {
  defaultValue: (): Effect.Effect<ReadonlyArray<string>> => Effect.sync(() => Object.keys(process.env))
}) {}

const own = "CONSUL_REPLICATE_"

/** Kubernetes sets these in each container if a service is called consul-replicate. */
const ofKubernetes = /^(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_|$)/

/** Warnings of variables that are named like the ones of this program, and that no setting reads. No warning has a value. */
export const warnOfUnread = (
  settings: ReadonlyArray<Setting<unknown>>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(Effect.flatten(Names), (names) => {
    const read = new Set(settings.flatMap(({ variables }) => variables))
    const parts = [...read].flatMap((name) =>
      name.startsWith(own) ? [name.slice(own.length).toLowerCase()] : []
    )
    return names
      .filter((name) => name.startsWith(own) && !read.has(name) && !ofKubernetes.test(name.slice(own.length)))
      .toSorted()
      .map((name) => {
        const shown = (near: string) => `${own}${near.toUpperCase()}`
        const instead = hint(name.slice(own.length), parts, shown, "-help lists them")
        return `${name}: is the variable of no option; ${instead}`
      })
  })

/** The variables that name proxies, as Go's programs read them. */
export const proxies: Effect.Effect<ProxyVariables, ConfigError> = Effect.gen(function* () {
  const first = (...names: ReadonlyArray<string>) =>
    Effect.map(
      Effect.forEach(names, (name) => inVariable(name, false)),
      (given) => given.flat()[0]?.text
    )
  return {
    http: yield* first("HTTP_PROXY", "http_proxy"),
    https: yield* first("HTTPS_PROXY", "https_proxy"),
    none: yield* first("NO_PROXY", "no_proxy")
  }
})
