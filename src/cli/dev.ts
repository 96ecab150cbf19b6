/**
 * `consul-replicate dev`: datacenters in memory, for trying things and for tests of other programs.
 */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SimConsul } from "../testing/index.js"
import * as EmbeddedServers from "./EmbeddedServers.js"
import type { Documented } from "./help.js"

const defaults = { dc: "dc1=8500", bind: "127.0.0.1" } as const

export const documented = {
  dc: {
    value: "NAME=PORT",
    description: "a datacenter and the port of its agent, 0 for a free one; may be repeated",
    default: defaults.dc
  },
  bind: {
    value: "ADDRESS",
    description: "where to listen",
    default: defaults.bind
  }
} as const satisfies Readonly<Record<string, Documented>>

interface Datacenter {
  readonly name: string
  readonly port: number
}

const datacenterOf = (text: string): Effect.Effect<Datacenter, ValidationError.ValidationError> => {
  const [, name, digits] = /^([a-z0-9_-]+)=(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  return name === undefined || port > 65_535
    ? Effect.fail(
        ValidationError.invalidValue(
          HelpDoc.p(`option -dc is a name and a port, as in ${defaults.dc}, not ${JSON.stringify(text)}`)
        )
      )
    : Effect.succeed({ name: name.toLowerCase(), port })
}

const isUnique = (datacenters: ReadonlyArray<Datacenter>): boolean =>
  new Set(datacenters.map(({ name }) => name)).size === datacenters.length

const options = {
  datacenters: Options.text("dc").pipe(
    Options.repeated,
    Options.mapEffect((given) => Effect.forEach(given.length === 0 ? [defaults.dc] : given, datacenterOf)),
    Options.mapEffect((datacenters) =>
      isUnique(datacenters)
        ? Effect.succeed(datacenters)
        : Effect.fail(ValidationError.invalidValue(HelpDoc.p("option -dc names a datacenter twice")))
    )
  ),
  bind: Options.text("bind").pipe(
    Options.withDefault(defaults.bind),
    // Node listens on every address of the machine where it is given none.
    Options.filterMap(
      (address) => (address.trim() === "" ? Option.none() : Option.some(address)),
      "option -bind needs an address, such as 127.0.0.1"
    )
  )
}

export const dev = Command.make(
  "dev",
  options,
  Effect.fn("consul-replicate dev")(function* ({ bind, datacenters }) {
    const names = datacenters.map(({ name }) => name)
    if (!Arr.isNonEmptyReadonlyArray(names)) return
    const sim = yield* SimConsul.make({ datacenters: names })
    const ports = yield* Effect.forEach(datacenters, ({ name, port }) => {
      const agent = sim.agents.find(({ datacenter }) => datacenter === name)
      return EmbeddedServers.serve({ sim, agent: agent?.name ?? name, host: bind, port })
    })
    const host = bind.includes(":") ? `[${bind}]` : bind
    yield* Effect.forEach(names, (name, i) => Console.log(`${name} http://${host}:${ports[i]}`))
    return yield* Effect.never
  }, Effect.scoped)
)
