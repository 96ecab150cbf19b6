/**
 * The examples in the docstrings of what an embedder imports, and in the guide to testing: all of them compile and run. An example checks itself by
 * `node:assert`. If it exports a `program`, that is run in virtual time.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Path from "node:path"
import * as Url from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as Esbuild from "esbuild"
import ts from "typescript"
import * as VirtualTime from "../src/testing/VirtualTime.js"

const root = Url.fileURLToPath(new URL("..", import.meta.url))
const read = (file: string) => readFileSync(Path.join(root, file), "utf8")

const modules = ["src", "src/testing"].flatMap((folder) =>
  readdirSync(Path.join(root, folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${folder}/${file}`)
)

interface Example {
  /** Where it is: `src/Value.ts:42`. */
  readonly place: string
  /** Name of its file, without an extension. */
  readonly name: string
  readonly code: string
}

const ofDocstrings: ReadonlyArray<Example> = modules.flatMap((module) => {
  const text = read(module)
  return [...text.matchAll(/^ \* @example\n((?: \*.*\n)*?) \* ```ts\n((?: \*.*\n)*?) \* ```$/gm)].map(
    ({ index, 2: code = "" }) => {
      const line = text.slice(0, index).split("\n").length
      return {
        place: `${module}:${line}`,
        name: `${Path.basename(module, ".ts")}${line}`,
        code: code.replaceAll(/^ \* ?/gm, "")
      }
    }
  )
})

const guide = "docs/testing.md"

const ofGuide: ReadonlyArray<Example> = Array.from(
  read(guide).matchAll(/^```ts\n(.*?)^```$/gms),
  ({ 1: code = "" }, i) => ({ place: `${guide}, block ${i + 1}`, name: `guide${i + 1}`, code })
)

const examples = [...ofDocstrings, ...ofGuide]

/** A test of Vitest runs only as a test file. */
const runnable = examples.filter(({ code }) => !code.includes("@effect/vitest"))

const folder = Path.join(root, "node_modules/.cache/examples")
const fileOf = ({ name }: Example) => Path.join(folder, `${name}.ts`)

/** Examples as modules beside each other, which share one copy of the library. */
const build = Effect.promise(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const example of examples) writeFileSync(fileOf(example), example.code)
  return Esbuild.build({
    absWorkingDir: root,
    entryPoints: runnable.map(fileOf),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    packages: "external",
    alias: { "consul-replicate": "./src/index.ts", "consul-replicate/testing": "./src/testing/index.ts" }
  })
})

/** A program that lacks a service would fail at run time only. */
const isComplete = '\nexport const complete: import("effect").Effect.Effect<unknown, unknown> = program\n'

const codes = new Map(
  examples.map((example) => [
    fileOf(example),
    example.code + (example.code.includes("export const program") ? isComplete : "")
  ])
)

describe("the examples", () => {
  it("are there for each service and the main functions", () => {
    const services = modules.filter((module) => /class \w+ extends Context\.Tag/.test(read(module)))
    expect(services).toContain("src/Watcher.ts")
    expect(ofGuide).toHaveLength(2)
    const documented = ofDocstrings.map(({ place }) => place.replace(/:\d+$/, ""))
    for (const module of [
      ...services,
      "src/Replicator.ts",
      "src/testing/SimConsul.ts",
      "src/testing/World.ts"
    ]) {
      expect(documented).toContain(module)
    }
    const all = modules.reduce((count, module) => count + read(module).split("* @example").length - 1, 0)
    expect(all).toBe(ofDocstrings.length)
  })

  it("compile", () => {
    const { config } = ts.readConfigFile(Path.join(root, "tsconfig.json"), ts.sys.readFile)
    const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root)
    const program = ts.createProgram(
      examples.map(fileOf),
      { ...options, incremental: false, skipLibCheck: true },
      // Only the examples are checked: all else is by `npm run check`.
      {
        ...ts.createCompilerHost(options),
        fileExists: (file) => codes.has(file) || ts.sys.fileExists(file),
        readFile: (file) => codes.get(file) ?? ts.sys.readFile(file),
        getSourceFile: (file, version) => {
          const text = codes.get(file) ?? ts.sys.readFile(file)
          return text === undefined ? undefined : ts.createSourceFile(file, text, version)
        }
      }
    )
    const problems = examples.flatMap((example) => {
      const source = program.getSourceFile(fileOf(example))
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
        ({ messageText }) => `${example.place}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
      )
    })
    expect(problems).toEqual([])
  })

  it.effect("run", () =>
    Effect.gen(function* () {
      yield* build
      for (const example of runnable) {
        const file = Url.pathToFileURL(Path.join(folder, `${example.name}.mjs`)).href
        const module: unknown = yield* Effect.promise(() => import(/* @vite-ignore */ file))
        if (!Predicate.hasProperty(module, "program")) continue
        expect(Effect.isEffect(module.program), example.place).toBe(true)
        const program = module.program as Effect.Effect<unknown, unknown>
        VirtualTime.runSync(Effect.provide(program, Logger.remove(Logger.defaultLogger)), example.place)
      }
    })
  )
})
