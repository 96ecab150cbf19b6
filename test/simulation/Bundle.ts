/**
 * The simulation, bundled from its sources, as they are or with a mistake planted in them. The names of functions are not kept:
 * to keep them costs a call for each closure that is made, and a sixth of the CPU of a history.
 */
import { hash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import { build, type Plugin } from "esbuild"
import type { mistakes } from "./Mistakes.js"
import type { simulate } from "./Simulation.js"

/** A text that occurs once in a file of `src`, and its replacement. */
export interface Mutation {
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface Bundle {
  readonly simulate: typeof simulate
  readonly mistakes: typeof mistakes
}

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

const folder = pathOf("../../.cache/simulation/")

const mutated = (text: string, { file, from, to }: Mutation): string => {
  const pieces = text.split(from)
  if (pieces.length !== 2) {
    throw new Error(`src/${file} has ${pieces.length - 1} times the text of a planted mistake: ${from}`)
  }
  return pieces.join(to)
}

/** Plants mutations in the sources that esbuild reads. */
const planting = (mutations: ReadonlyArray<Mutation>): Plugin => ({
  name: "mutations",
  setup: ({ onLoad }) => {
    for (const file of new Set(mutations.map(({ file }) => file))) {
      const path = pathOf(`../../src/${file}`)
      const contents = mutations
        .filter((one) => one.file === file)
        .reduce(mutated, readFileSync(path, "utf8"))
      onLoad({ filter: /\.ts$/ }, (given) => (given.path === path ? { contents, loader: "ts" } : undefined))
    }
  }
})

/** Fails as a defect if a mutation does not fit the sources. */
export const load = (mutations: ReadonlyArray<Mutation> = []): Effect.Effect<Bundle> =>
  Effect.gen(function* () {
    const { outputFiles } = yield* Effect.promise(() =>
      build({
        stdin: {
          contents: `export { simulate } from "./Simulation.js"\nexport { mistakes } from "./Mistakes.js"`,
          loader: "ts",
          resolveDir: pathOf(".")
        },
        bundle: true,
        write: false,
        platform: "node",
        target: "node20",
        format: "esm",
        packages: "external",
        sourcemap: "inline",
        sourcesContent: false,
        logLevel: "silent",
        plugins: [planting(mutations)]
      })
    )
    const text = outputFiles[0]?.text ?? ""
    const file = `${folder}${hash("md5", text)}.mjs`
    yield* Effect.sync(() => {
      mkdirSync(folder, { recursive: true })
      writeFileSync(file, text)
    })
    return yield* Effect.promise(() => import(/* @vite-ignore */ pathToFileURL(file).href) as Promise<Bundle>)
  })
