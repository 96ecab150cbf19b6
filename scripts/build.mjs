// Builds the command as one bundled file, dist/cli.js, and, unless `--cli` is given, the library with its types.
import { execFileSync } from "node:child_process"
import { rmSync } from "node:fs"
import { build } from "esbuild"

const cliOnly = process.argv.includes("--cli")

if (!cliOnly) rmSync("dist", { recursive: true, force: true })

await build({
  entryPoints: ["src/cli/main.ts"],
  outfile: "dist/cli.js",
  bundle: true,
  // Names stay as they are, for traces. Kept by `keepNames` they would cost a call for each closure that is made.
  minifyWhitespace: true,
  minifySyntax: true,
  platform: "node",
  target: "node20",
  format: "esm",
  legalComments: "none",
  // Some CommonJS dependencies call `require`, which a module does not have.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  }
})

if (!cliOnly) execFileSync("npx", ["tsc", "--project", "tsconfig.build.json"], { stdio: "inherit" })
