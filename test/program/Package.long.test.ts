/**
 * The package as others get it: packed from sources that nobody has built, and installed beside the oldest and the newest
 * Effect that it says it works with. Needs the npm registry.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Url from "node:url"
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import manifest from "../../package.json" with { type: "json" }
import { capture } from "./Program.js"

const root = Url.fileURLToPath(new URL("../..", import.meta.url))

/** Of a checkout, what the repository does not hold. */
const unversioned = new Set([".git", ".cache", "dist", "node_modules"])

const succeed = (folder: string, command: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { code, stderr, stdout } = yield* capture(
      Command.make(command, ...args).pipe(Command.workingDirectory(folder))
    )
    if (code !== 0) return yield* Effect.dieMessage(`${command} ${args.join(" ")}: ${stdout}${stderr}`)
    return stdout
  })

/** The tarball that `npm pack` makes of sources as a clone has them. */
class Tarball extends Context.Tag("test/cli/Package/Tarball")<Tarball, string>() {
  static readonly layer = Layer.scoped(
    this,
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      Fs.cpSync(root, folder, {
        recursive: true,
        filter: (path) => !unversioned.has(Path.basename(path)) && !path.endsWith(".tgz")
      })
      Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(folder, "node_modules"))
      yield* succeed(folder, "npm", "pack", "--silent")
      return Path.join(folder, `${manifest.name}-${manifest.version}.tgz`)
    })
  )
}

/** The least version that a range allows. */
const least = (range: string) => /\d+\.\d+\.\d+/.exec(range)?.[0] ?? range

const { "@effect/platform": platform, effect } = manifest.peerDependencies
const developed = manifest.devDependencies

/** `node` is the release of `@effect/platform-node` that goes with the others: the examples run on it. */
const versions = [
  ["the oldest", { effect: least(effect), platform: least(platform), node: "0.105.0" }],
  [
    "the newest",
    {
      effect: least(developed.effect),
      platform: least(developed["@effect/platform"]),
      node: least(developed["@effect/platform-node"])
    }
  ]
] as const

/** Two replications under one lock, from one datacenter in memory to another, until everything has arrived. */
const program = `
const program = Effect.gen(function* () {
  const sim = yield* SimConsul.make({ datacenters: ["sfo1", "nyc1"] })
  const client = Layer.succeed(HttpClient.HttpClient, sim.httpClient)
  const consul = ConsulHttp.layer({ address: "127.0.0.1:8500" }).pipe(Layer.provide(client))
  const lock = yield* LeaderLock.options({ service: "packed" })
  for (const prefix of ["one/", "two/"]) yield* sim.put("nyc1", prefix + "key", "value")
  const replicate = Effect.all(
    ["one/", "two/"].map((prefix) =>
      Effect.flatMap(Replication.make({ source: "nyc1", prefix, status: "status/" + prefix }), Replicator.run)
    ),
    { concurrency: "unbounded" }
  ).pipe(Effect.provide([Replicator.services, LeaderLock.shared(lock)]), Effect.provide(consul))
  const arrived = Effect.gen(function* () {
    for (const key of ["one/key", "two/key"]) {
      while ((yield* sim.entries("sfo1", key)).length === 0) yield* Effect.sleep("10 millis")
    }
  })
  yield* Effect.raceFirst(replicate, arrived)
  console.log("arrived")
})
Effect.runPromise(Effect.scoped(program))
`

const effect3 = [
  ["{ Effect, Layer }", "effect"],
  ["{ HttpClient }", "@effect/platform"]
] as const

/** All of the library at once. */
const whole = [
  ["{ ConsulHttp, LeaderLock, Replication, Replicator }", "consul-replicate"],
  ["{ SimConsul }", "consul-replicate/testing"],
  ...effect3
] as const

/** Each module by its own path. */
const each = [
  ["ConsulHttp", "consul-replicate/ConsulHttp"],
  ["LeaderLock", "consul-replicate/LeaderLock"],
  ["Replication", "consul-replicate/Replication"],
  ["Replicator", "consul-replicate/Replicator"],
  ["SimConsul", "consul-replicate/testing/SimConsul"],
  ...effect3
] as const

type Loaded = ReadonlyArray<readonly [names: string, from: string]>

const required = (loaded: Loaded) =>
  loaded.map(([names, from]) => `const ${names} = require("${from}")`).join("\n")

const imported = (loaded: Loaded) =>
  loaded
    .map(([names, from]) => `import ${names.startsWith("{") ? names : `* as ${names}`} from "${from}"`)
    .join("\n")

/** Uses the types of modules that are imported by their own paths. */
const typed = `${imported(each.slice(0, 5))}
import * as Effect from "effect/Effect"
export const replication: Effect.Effect<Replication.Replication, unknown> = Replication.make({ source: "nyc1" })
export const sim: Effect.Effect<SimConsul.SimConsul, never, unknown> = SimConsul.make()
export const all = [ConsulHttp.layer, LeaderLock.layer, Replicator.run]
`

/** Succeeds if nothing of what is no public module can be loaded. */
const closed = `
for (const path of ["internal/plan/Diff", "testing/internal/cluster/World", "cli", "index", "internal/source/WatchEvent", "nothing"]) {
  try {
    require("consul-replicate/" + path)
  } catch (error) {
    if (error.code === "ERR_PACKAGE_PATH_NOT_EXPORTED" || error.code === "MODULE_NOT_FOUND") continue
    throw error
  }
  throw new Error(path + " can be loaded")
}
console.log("closed")
`

const tsconfig = {
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2023"],
    module: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    typeRoots: [Path.join(root, "node_modules/@types")],
    types: ["node"]
  },
  include: ["*.ts"]
}

/** Errors of the compiler in our own files, declarations included. */
const ownErrors = (output: string) =>
  output.split("\n").filter((line) => /^(node_modules\/consul-replicate\/|[\w.]+\.ts\().*error/.test(line))

describe("the package", () => {
  layer(Layer.provideMerge(Tarball.layer, NodeContext.layer))((it) => {
    it.effect("holds what is needed to run, to read and to import it", () =>
      Effect.gen(function* () {
        const tarball = yield* Tarball
        const listed = (yield* succeed(Path.dirname(tarball), "tar", "-tzf", tarball)).split("\n")
        for (const file of [
          "dist/cli.js",
          "dist/cli.js.map",
          "dist/THIRD-PARTY-LICENSES",
          "dist/index.js",
          "dist/index.d.ts",
          "dist/testing/index.js",
          "src/index.ts",
          "examples/replicate.ts",
          "examples/embed.ts",
          "examples/events.ts",
          "README.md",
          "CHANGELOG.md",
          "LICENSE"
        ]) {
          expect(listed).toContain(`package/${file}`)
        }
      })
    )

    it.scoped("is installed by the line in README", () =>
      Effect.gen(function* () {
        const tarball = yield* Tarball
        const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
        const [, line = ""] =
          /^ {4}npm install consul-replicate (.+)$/m.exec(
            Fs.readFileSync(Path.join(root, "README.md"), "utf8")
          ) ?? []
        expect(line).not.toBe("")
        Fs.writeFileSync(Path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
        yield* succeed(folder, "npm", "install", "--silent", "--no-package-lock", tarball, ...line.split(" "))
        Fs.writeFileSync(Path.join(folder, "required.cjs"), required(whole) + program)
        expect(yield* succeed(folder, "node", "required.cjs")).toMatch(/^arrived$/m)
        Fs.writeFileSync(Path.join(folder, "closed.cjs"), closed)
        expect(yield* succeed(folder, "node", "closed.cjs")).toMatch(/^closed$/m)
      })
    )

    it.scoped.each(versions)("works beside %s Effect of its range: %j", ([, versions]) =>
      Effect.gen(function* () {
        const tarball = yield* Tarball
        const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
        const write = (name: string, text: string) => Fs.writeFileSync(Path.join(folder, name), text)
        write("package.json", JSON.stringify({ private: true, type: "module" }))
        yield* succeed(
          folder,
          "npm",
          "install",
          "--silent",
          "--no-package-lock",
          `effect@${versions.effect}`,
          `@effect/platform@${versions.platform}`,
          `@effect/platform-node@${versions.node}`,
          tarball
        )
        const installed = JSON.parse(
          Fs.readFileSync(Path.join(folder, "node_modules/effect/package.json"), "utf8")
        ) as { readonly version: string }
        expect(installed.version).toBe(versions.effect)

        write("required.cjs", required(whole) + program)
        write("imported.mjs", imported(whole) + program)
        write("requiredEach.cjs", required(each) + program)
        write("importedEach.mjs", imported(each) + program)
        for (const file of ["required.cjs", "imported.mjs", "requiredEach.cjs", "importedEach.mjs"]) {
          expect(yield* succeed(folder, "node", file)).toMatch(/^arrived$/m)
        }
        expect(yield* succeed(folder, "npx", "--no-install", manifest.name, "-version")).toContain(
          `${manifest.name} ${manifest.version}`
        )

        const examples = Path.join(folder, "node_modules", manifest.name, "examples")
        for (const name of Fs.readdirSync(examples))
          Fs.copyFileSync(Path.join(examples, name), Path.join(folder, name))
        write("typed.ts", typed)
        write("tsconfig.json", JSON.stringify(tsconfig))
        const tsc = Path.join(root, "node_modules/typescript/bin/tsc")
        const { stdout } = yield* capture(
          Command.make("node", tsc, "--project", ".").pipe(Command.workingDirectory(folder))
        )
        expect(ownErrors(stdout)).toEqual([])
      })
    )
  })
})
