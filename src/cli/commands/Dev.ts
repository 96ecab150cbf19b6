/**
 * `consul-replicate dev`: datacenters in memory, for trying things and for tests of other programs.
 */
import * as Command from "@effect/cli/Command"
import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { SimConsul } from "../../testing/index.js"
import * as EmbeddedServers from "../node/EmbeddedServers.js"
import * as Parsers from "../settings/Parsers.js"
import { repeated, setting, textSchema } from "../settings/Setting.js"
import * as Sources from "../settings/Sources.js"
import { WrongUse } from "../settings/WrongUse.js"

const defaults = { dc: "dc1=8500", bind: "127.0.0.1" } as const

const group = "Options:"

interface Datacenter {
  readonly name: string
  readonly port: number
}

const parseDatacenter = (text: string): Either.Either<Datacenter, string> => {
  const [, name, digits] = /^([a-z0-9_-]+)=(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  return name === undefined || port > 65_535
    ? Either.left(`not a name and a port; write it as in ${defaults.dc}`)
    : Either.right({ name: name.toLowerCase(), port })
}

export const options = {
  datacenters: repeated({
    name: "dc",
    hasVariable: false,
    group,
    value: "NAME=PORT",
    description: "a datacenter and the port of its agent, 0 for a free one; may be repeated",
    default: [defaults.dc],
    schema: textSchema(parseDatacenter)
  }),
  bind: setting({
    name: "bind",
    hasVariable: false,
    group,
    value: "ADDRESS",
    description: "where to listen",
    default: defaults.bind,
    // Node listens on every address of the machine where it is given none.
    schema: textSchema((address) =>
      address.trim() === "" ? Either.left("needs an address, such as 127.0.0.1") : Either.right(address)
    )
  }),
  hosts: repeated({
    name: "host",
    hasVariable: false,
    group,
    value: "NAME",
    description:
      "a name under which others ask it, beside its addresses and localhost; may be repeated. Requests for other hosts " +
      "are refused: a page of another site could send them",
    default: [],
    schema: textSchema((name) =>
      /^[\w.-]+$/.test(name) ? Either.right(name) : Either.left("not the name of a host")
    )
  })
} as const

/** A name that two of the datacenters have. */
const twice = (names: ReadonlyArray<string>): Option.Option<string> =>
  Arr.findFirst(names, (name, i) => names.indexOf(name) !== i)

/** In the order of the help. */
export const settings = Object.values(options)

/** `occurrences` are the options that are on the command line. */
export const dev = (occurrences: ReadonlyArray<Parsers.Occurrence>) =>
  Command.make(
    "dev",
    Parsers.parsers(occurrences),
    Effect.fn("consul-replicate dev")(function* (typed) {
      const given = yield* Sources.values(options, {
        ...Sources.nothing,
        flags: Parsers.given(occurrences, typed)
      })
      const bind = given.bind.value
      const datacenters = given.datacenters.map(({ value }) => value)
      const names = datacenters.map(({ name }) => name)
      const [again] = Option.toArray(twice(names))
      if (again !== undefined) {
        return yield* new WrongUse({
          subject: "-dc",
          problem: `the datacenter ${again} is given twice; give each name once`
        })
      }
      if (!Arr.isNonEmptyReadonlyArray(names)) return
      const sim = yield* SimConsul.make({ datacenters: names })
      const hosts = given.hosts.map(({ value }) => value)
      const ports = yield* Effect.forEach(datacenters, ({ name, port }) => {
        const agent = sim.agents.find(({ datacenter }) => datacenter === name)
        return EmbeddedServers.serve({ sim, agent: agent?.name ?? name, host: bind, port, names: hosts })
      })
      const host = bind.includes(":") ? `[${bind}]` : bind
      yield* Effect.forEach(names, (name, i) => Console.log(`${name} http://${host}:${ports[i]}`))
      return yield* Effect.never
    }, Effect.scoped)
  )
