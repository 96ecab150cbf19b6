import * as CliConfig from "@effect/cli/CliConfig"
import * as Descriptor from "@effect/cli/CommandDescriptor"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import { dev } from "../../../src/cli/commands/Dev.js"
import { replicate } from "../../../src/cli/commands/Replicate.js"
import { normalize } from "../../../src/cli/settings/GoFlags.js"
import { devHelp, replicateHelp } from "../../../src/cli/settings/HelpPages.js"
import { text } from "../../support/Keys.js"

const documented = replicateHelp.options

const config = CliConfig.make({ isCaseSensitive: true })

/** The options as the program sees them, and what is left over. */
const parse = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directive = yield* Descriptor.parse(
      replicate.descriptor,
      ["consul-replicate", ...normalize(args, documented)],
      config
    )
    if (directive._tag === "UserDefined") {
      const { destinationAgent, sourceAgent, ...options } = directive.value
      const agents = { ...(yield* Effect.all(destinationAgent)), ...(yield* Effect.all(sourceAgent)) }
      expect(Object.values(agents).every((text) => text === "")).toBe(true)
      return { options: yield* Effect.all(options), leftover: directive.leftover }
    }
    return { builtIn: directive.option._tag }
  }).pipe(Effect.provide(NodeContext.layer))

const spellings = {
  "-a=x": (name: string, value: string) => [`-${name}=${value}`],
  "-a x": (name: string, value: string) => [`-${name}`, value],
  "--a=x": (name: string, value: string) => [`--${name}=${value}`],
  "--a x": (name: string, value: string) => [`--${name}`, value]
}

/** Options that take any text but an empty one, and options that take an empty one too. */
const nonEmpty = ["src", "lock", "status", "service"] as const
const names = ["prefix", "dst-prefix", ...nonEmpty] as const

const value = fc.oneof(
  text,
  fc.string(),
  fc.constantFrom(
    "",
    "-",
    "--",
    "-h",
    "--help",
    "--wizard",
    "--completions",
    "--log-level",
    "consul-replicate",
    " ",
    "a ",
    " a",
    "a\n",
    "-version",
    "-src=ams2",
    "--addr",
    "=",
    "a=b",
    "demo",
    "dev",
    "1"
  )
)

const given = fc.array(
  fc
    .record({
      name: fc.constantFrom(...names),
      value,
      spelling: fc.constantFrom(...Object.values(spellings))
    })
    .filter(({ name, value }) => value !== "" || !nonEmpty.some((option) => option === name)),
  { maxLength: names.length }
)

const defaults = {
  addr: "127.0.0.1:8500",
  src: "nyc1",
  prefix: "global/",
  destinationPrefix: undefined,
  lock: "service/consul-replicate/leader",
  status: "service/consul-replicate/status",
  service: "consul-replicate",
  maxDeletes: "50%",
  noDelete: false,
  once: false
}

describe("arguments", () => {
  it.effect.prop(
    "options mean the same in every spelling, whatever their values",
    [given.map((all) => [...new Map(all.map((one) => [one.name, one])).values()])],
    ([given]) =>
      Effect.gen(function* () {
        const all = given.some(({ name }) => name === "src")
          ? given
          : [...given, { name: "src", value: "nyc1", spelling: spellings["-a=x"] }]
        const args = all.flatMap(({ name, spelling, value }) => spelling(name, value))
        const expected = Object.fromEntries(
          given.map(({ name, value }) =>
            name === "dst-prefix" ? ["destinationPrefix", value === "" ? undefined : value] : [name, value]
          )
        )
        expect(yield* parse(args)).toMatchObject({ options: { ...defaults, ...expected }, leftover: [] })
      })
  )

  it.effect.each([
    ["-once", true],
    ["--once", true],
    ["-once=true", true],
    ["--once=1", true],
    ["-once=T", true],
    ["-once=false", false],
    ["--once=0", false],
    ["-once=FALSE", false]
  ] as const)("a flag is given or not as in Go: %s", ([arg, given]) =>
    Effect.gen(function* () {
      for (const args of [
        [arg, "-src=x"],
        ["-src=x", arg]
      ]) {
        expect(yield* parse(args)).toMatchObject({ options: { src: "x", once: given }, leftover: [] })
      }
      expect(yield* parse(["-src=x", arg.replace("once", "no-delete")])).toMatchObject({
        options: { noDelete: given, once: false },
        leftover: []
      })
    })
  )

  it.effect.each(["true", "false", "yes", "no", "x"])(
    "a flag does not take the next word for its value: %s",
    (word) =>
      Effect.gen(function* () {
        expect(yield* parse(["-src=x", "-once", word])).toMatchObject({
          options: { once: true },
          leftover: [word]
        })
      })
  )

  it.effect.each([
    [["-src=x"], 60_000],
    [["-src=x", "-reconcile=1m30s"], 90_000],
    [["-src=x", "-reconcile", "0"], 0]
  ] as const)("an interval is read as Go's: %j", ([args, millis]) =>
    Effect.gen(function* () {
      expect(yield* parse(args)).toMatchObject({
        options: { reconcile: Duration.nanos(BigInt(millis) * 1_000_000n) }
      })
    })
  )

  it.effect("an option that may be repeated keeps all of its values, in every spelling", () =>
    Effect.gen(function* () {
      const args = normalize(["-dc=a=1", "-dc", "b=2", "--dc", "c=3", "-bind", "::1"], devHelp.options)
      const directive = yield* Descriptor.parse(dev.descriptor, ["dev", ...args], config).pipe(
        Effect.provide(NodeContext.layer)
      )
      expect(directive).toMatchObject({ _tag: "UserDefined", leftover: [] })
      if (directive._tag === "UserDefined") {
        expect(yield* Effect.all(directive.value)).toMatchObject({
          datacenters: [
            { name: "a", port: 1 },
            { name: "b", port: 2 },
            { name: "c", port: 3 }
          ],
          bind: "::1"
        })
      }
    })
  )

  it.effect.each(["-h", "--h", "-help", "--help"])("%s asks for help, wherever it stands", (help) =>
    Effect.gen(function* () {
      for (const args of [[help], ["-src=nyc1", help], [help, "-nonsense"], ["-src", "nyc1", help, "x"]]) {
        expect(yield* parse(args)).toEqual({ builtIn: "ShowHelp" })
      }
    })
  )

  it.effect.each(["-version", "--version", "-v"])("%s asks for the version", (version) =>
    Effect.gen(function* () {
      expect(yield* parse(["-src=nyc1", version])).toEqual({ builtIn: "ShowVersion" })
    })
  )

  it("what stands where a value is expected is the value", () => {
    expect(normalize(["-src", "-help"], documented)).toEqual(["--src", "-help"])
    expect(normalize(["-src", "--"], documented)).toEqual(["--src=--"])
    expect(normalize(["-prefix", "", "-src=x"], documented)).toEqual(["--prefix", "", "--src", "x"])
  })

  it("an option at the end without its value stays so, for the parser to refuse", () => {
    expect(normalize(["-src"], documented)).toEqual(["--src"])
  })

  it("what is unknown is passed on with two dashes, and what is no option as it is", () => {
    expect(normalize(["-nonsense", "-nonsense=1", "extra", "-", "-1"], documented)).toEqual([
      "--nonsense",
      "--nonsense=1",
      "extra",
      "-",
      "-1"
    ])
  })

  it("nothing is read as an option after --", () => {
    expect(normalize(["-src=x", "--", "-src=y", "-help"], documented)).toEqual([
      "--src",
      "x",
      "--",
      "-src=y",
      "-help"
    ])
  })

  it("an option that @effect/cli knows by another name is given that name", () => {
    expect(normalize(["-log-level=debug"], documented)).toEqual(["--level", "debug"])
    expect(normalize(["--log-level", "debug"], documented)).toEqual(["--level", "debug"])
  })
})
