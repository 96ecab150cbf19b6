/**
 * Consul 1.8 parses its configuration as HCL 1, as 0.4.0 of this project did. `consul validate` shows what the parser accepts.
 */
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Hcl from "../../src/cli/settings/hcl/Hcl.js"
import * as Json from "../../src/cli/settings/hcl/Json.js"
import { capture } from "../program/Program.js"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import * as RealConsul from "../support/consul/RealConsul.js"

/** The output of `consul validate` for a file. */
const validate = (text: string, extension: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const folder = yield* files.makeTempDirectoryScoped()
    const path = `${folder}/a.${extension}`
    yield* files.writeFileString(path, text)
    const { stderr, stdout } = yield* capture(Command.make(yield* RealConsul.binary, "validate", path))
    return `${stdout}${stderr}`
  }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))

/** A key that Consul does not know. Consul reports the key if it could parse the file. */
const unknown = "zzz"

const dollar = "$"

const fragments = [
  "a = 1 b = 2, c = 3",
  "a {} b { c { d = true } }",
  'a "b" "c" { d = 1 }',
  'a "b" = 1',
  "a = b",
  "a",
  "a {",
  "}",
  "a = [1, 2,]",
  "a = [,]",
  "a = [1 2]",
  "a = [[1], {b = 1}, true]",
  "# x\n// y\n/* z\n */ a = 1 # end",
  "/* a",
  "/ a",
  'a = "x\ny"',
  'a = "x',
  'a = "\\n\\t\\x41\\101\\u00e9\\U0001F600"',
  'a = "\\q"',
  'a = "\\x4"',
  `a = "${dollar}{x "y" {}} \\"z\\""`,
  `a = "${dollar}{x"`,
  "a = <<EOF\nx\nEOF\n",
  "a = <<-EOF\n  x\n  EOF\n",
  "a = <<EOF\nx\n",
  "a = < <EOF\nx\nEOF\n",
  "a = <<\nx\n\n",
  "a = 0x1F b = 017 c = 1.5e3 d = -4 e = 1e-3",
  "a = 10s",
  "a = 0x",
  "a = 'x'",
  "a-b.c_d = 1",
  "ä = 1",
  "1 = 1",
  "true = 1",
  '"a b" = 1',
  "a\r\n=\r\n1\r\n",
  "a = @"
]

const texts = [
  '"A!b"',
  '"\\x41\\101!\\"\\\\"',
  `"${dollar}{x "y" {z}} !"`,
  "<<EOF\nx!\n  y\nEOF\n",
  "<<EOF\nx!\n  EOF\n",
  "<<-EOF\n  x!\n    y\n  EOF\n",
  "<<-EOF\n  x!\n y\n  EOF\n"
]

const jsons = ['{"a": 1}', '{"a": [1, {"b": null}]}', '{"a": 1,}', '{"a"}', '{"a": "\\u0041"}', '{"a": tru}']

describeConsul("HCL 1", () => {
  it.effect.each(fragments)("%j is read or refused by Consul as here", (fragment) =>
    Effect.gen(function* () {
      const text = `${unknown} = 1\n${fragment}`
      const isRead = (yield* validate(text, "hcl")).includes(`invalid config key ${unknown}`)
      expect(Either.isRight(Hcl.parse(text))).toBe(isRead)
    })
  )

  it.effect.each(texts)("%s is the text that Consul reads", (written) =>
    Effect.gen(function* () {
      const said = yield* validate(`data_dir = "/tmp"\ndatacenter = ${written}`, "hcl")
      const [item] = Either.getOrThrow(Hcl.parse(`datacenter = ${written}`))
      const value = item?.value._tag === "Text" ? item.value.text : undefined
      expect(said).toContain(`datacenter cannot be ${JSON.stringify(value?.toLowerCase())}`)
    })
  )

  it.effect("a key without its value at the end of a file is dropped by Consul, and refused here", () =>
    Effect.gen(function* () {
      const text = `${unknown} = 1\na =`
      expect(yield* validate(text, "hcl")).toContain(`invalid config key ${unknown}`)
      expect(Either.isLeft(Hcl.parse(text))).toBe(true)
    })
  )

  it.effect("a heredoc with <<- and a bare anchor at its end is refused by Consul, and read here", () =>
    Effect.gen(function* () {
      const text = `${unknown} = <<-EOF\nx\nEOF\n`
      expect(yield* validate(text, "hcl")).toContain("heredoc not terminated")
      expect(Either.isRight(Hcl.parse(text))).toBe(true)
    })
  )

  it.effect.each(jsons)("%s is read or refused by Consul as here", (json) =>
    Effect.gen(function* () {
      const text = json.replace("{", `{"${unknown}": 1, `)
      const isRead = (yield* validate(text, "json")).includes(`invalid config key ${unknown}`)
      expect(Either.isRight(Json.parse(text))).toBe(isRead)
    })
  )
})
