import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import { settings as devSettings } from "../../../src/cli/commands/Dev.js"
import { normalize } from "../../../src/cli/settings/GoFlags.js"
import * as Settings from "../../../src/cli/settings/Settings.js"
import { text } from "../../support/Keys.js"
import { folder, load, parse } from "./Loading.js"

const args = (typed: ReadonlyArray<string>) => Either.map(normalize(typed, Settings.all), ({ args }) => args)

const spellings = {
  "-a=x": (name: string, value: string) => [`-${name}=${value}`],
  "-a x": (name: string, value: string) => [`-${name}`, value],
  "--a=x": (name: string, value: string) => [`--${name}=${value}`],
  "--a x": (name: string, value: string) => [`--${name}`, value]
}

const names = ["prefix", "dst-prefix", "src", "lock", "status", "service", "consul-token"] as const

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
  fc.record({
    name: fc.constantFrom(...names),
    value,
    spelling: fc.constantFrom(...Object.values(spellings))
  }),
  { maxLength: names.length }
)

const texts = (typed: ReadonlyArray<string>, settings = Settings.all) =>
  Effect.map(parse(typed, settings), ({ given, leftover }) => ({
    leftover,
    texts: Object.fromEntries(
      [...(given ?? [])].flatMap(([name, given]) =>
        given.length === 0 ? [] : [[name, given.map(({ text }) => text)]]
      )
    )
  }))

describe("arguments", () => {
  it.effect.prop(
    "options mean the same in every spelling, whatever their values",
    [given.map((all) => [...new Map(all.map((one) => [one.name, one])).values()])],
    ([given]) =>
      Effect.gen(function* () {
        const typed = given.flatMap(({ name, spelling, value }) => spelling(name, value))
        const expected = Object.fromEntries(given.map(({ name, value }) => [name, [value]]))
        expect(yield* texts(typed)).toEqual({ texts: expected, leftover: [] })
      })
  )

  it.scoped("the last of several values of one option counts, as in Go, with a warning if they differ", () =>
    Effect.gen(function* () {
      const twice = yield* load(["-src=x", "-lock=a", "-lock=b", "-once", "-once"])
      expect(twice).toMatchObject({ lock: "b", once: true })
      expect(twice.warnings).toEqual(["-lock: is given 2 times; the last one counts"])
      const spelt = yield* load(["-src=x", "-consul-addr=a:1", "-addr=b:1"])
      expect(spelt.destination.address.text).toBe("b:1")
      expect(spelt.warnings).toEqual(["-consul-addr and -addr: are one option; the last one counts, -addr"])
      const secret = yield* load(["-src=x", "-consul-token=5ecret", "-consul-token=0ther"])
      expect(secret.destination.token?.text).toBe("0ther")
      expect(secret.warnings.join()).not.toMatch(/5ecret|0ther/)
      expect((yield* load(["-src=x", "-once", "-once=false"])).once).toBe(false)
      const root = yield* folder({ "a.hcl": 'lock = "file"' })
      expect((yield* load(["-lock=flag", `-config=${root}/a.hcl`, "-src=x"])).lock).toBe("flag")
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
        expect(yield* load(args)).toMatchObject({ replications: [{ datacenter: "x" }], once: given })
      }
      expect(yield* load(["-src=x", arg.replace("once", "no-delete")])).toMatchObject({
        deletes: !given,
        once: false
      })
    })
  )

  it.effect.each(["true", "false", "yes", "no", "x"])("the word behind a flag is not its value: %s", (word) =>
    Effect.gen(function* () {
      expect(yield* texts(["-src=x", "-once", word])).toEqual({
        texts: { src: ["x"], once: ["true"] },
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
      expect(Duration.toMillis((yield* load(args)).reconcile)).toBe(millis)
    })
  )

  it.effect("an option that may be repeated keeps all of its values, in every spelling", () =>
    Effect.gen(function* () {
      expect(yield* texts(["-dc=a=1", "-dc", "b=2", "--dc", "c=3", "-bind", "::1"], devSettings)).toEqual({
        texts: { dc: ["a=1", "b=2", "c=3"], bind: ["::1"] },
        leftover: []
      })
      expect(yield* texts(["-prefix=a@x", "-prefix", "b@x", "--prefix=-h"])).toMatchObject({
        texts: { prefix: ["a@x", "b@x", "-h"] }
      })
    })
  )

  it.effect("the names of 0.4.0, and its deprecated ones, give the same setting", () =>
    Effect.gen(function* () {
      for (const name of ["addr", "consul-addr", "consul"]) {
        expect(yield* texts([`-${name}`, "a:1"])).toEqual({ texts: { addr: ["a:1"] }, leftover: [] })
      }
    })
  )

  it.effect.each(["-h", "--h", "-help", "--help"])("%s asks for help, wherever it stands", (help) =>
    Effect.gen(function* () {
      for (const args of [
        [help],
        ["-src=nyc1", help],
        [help, "-nonsense"],
        ["-nonsense", help],
        ["-src", "nyc1", help, "x"]
      ]) {
        expect(yield* parse(args)).toEqual({ builtIn: "ShowHelp" })
      }
    })
  )

  it.effect.each(["-version", "--version", "-v"])("%s asks for the version", (version) =>
    Effect.gen(function* () {
      expect(yield* parse(["-src=nyc1", version])).toEqual({ builtIn: "ShowVersion" })
    })
  )

  it("a text in the place of a value is the value, whatever it looks like", () => {
    expect(args(["-src", "-help"])).toEqual(Either.right(["--src.0", "-help"]))
    expect(args(["-src", "--"])).toEqual(Either.right(["--src.0=--"]))
    expect(args(["-prefix", "", "-src=x"])).toEqual(Either.right(["--prefix.0", "", "--src.1", "x"]))
  })

  it("an option at the end without its value is refused", () => {
    expect(Either.getLeft(args(["-src"]))).toMatchObject({
      value: { message: "-src: needs a value; write -src=DATACENTER" }
    })
  })

  it("an unknown option is refused, and a word that is no option is passed on as it is", () => {
    expect(Either.isLeft(args(["-nonsense"]))).toBe(true)
    expect(args(["extra", "-", "-1"])).toEqual(Either.right(["extra", "-", "-1"]))
  })

  it("nothing is read as an option after --", () => {
    expect(args(["-src=x", "--", "-src=y", "-help"])).toEqual(
      Either.right(["--src.0", "x", "--", "-src=y", "-help"])
    )
  })

  it("no option has a name that @effect/cli takes for one of its own", () => {
    expect(args(["-log-level=debug"])).toEqual(Either.right(["--log-level.0", "debug"]))
    expect(
      Settings.all.flatMap(({ name }) => (/^(help|version|wizard|completions)$/.test(name) ? [name] : []))
    ).toEqual([])
  })
})
