// Builds the command as one bundled file, dist/cli.js, with the licences of what it bundles, and, unless `--cli` is given,
// the library with its types.
import { execFileSync } from "node:child_process"
import { realpathSync, rmSync, writeFileSync } from "node:fs"
import { build } from "esbuild"
import { licenses } from "./licenses.mjs"

const cliOnly = process.argv.includes("--cli")

/** The commit that is built, if this folder is a repository of its own; `-dirty` if files differ from it. */
const commit = () => {
  const git = (...args) =>
    execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
  try {
    if (realpathSync(git("rev-parse", "--show-toplevel")) !== realpathSync(".")) return undefined
    return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
  } catch {
    // No git, no repository, or none with a commit.
    return undefined
  }
}

if (!cliOnly) rmSync("dist", { recursive: true, force: true })

const built = commit()
const { metafile } = await build({
  entryPoints: ["src/cli/main.ts"],
  outfile: "dist/cli.js",
  bundle: true,
  metafile: true,
  // Names stay as they are, for traces. Kept by `keepNames` they would cost a call for each closure that is made.
  minifyWhitespace: true,
  minifySyntax: true,
  platform: "node",
  target: "node20",
  format: "esm",
  legalComments: "none",
  // For `node --enable-source-maps`; without it Node does not read the map.
  sourcemap: "linked",
  sourcesContent: false,
  alias: { "@effect/platform-node/Undici": "./scripts/undici.mjs" },
  define: built === undefined ? {} : { CONSUL_REPLICATE_COMMIT: JSON.stringify(built) },
  // Some CommonJS dependencies call `require`, which a module does not have.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  }
})
const bundled = Object.entries(metafile.outputs["dist/cli.js"].inputs)
  .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  .map(([file]) => file)
writeFileSync("dist/THIRD-PARTY-LICENSES", licenses(bundled))

if (!cliOnly) execFileSync("npx", ["tsc", "--project", "tsconfig.build.json"], { stdio: "inherit" })
