import { readdirSync, readFileSync } from "node:fs"
import * as Path from "node:path"
import * as Url from "node:url"
import { describe, expect, it } from "@effect/vitest"

const root = Url.fileURLToPath(new URL("../src", import.meta.url))

const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .map((file) => file.split(Path.sep).join("/"))
  .filter((file) => file.endsWith(".ts"))

/** The files that a file imports or exports from, types included. */
const imports = new Map(
  files.map((file) => [
    file,
    [...readFileSync(Path.join(root, file), "utf8").matchAll(/from "(\.[^"]+)\.js"/g)].map(
      ([, target = ""]) => `${Path.posix.join(Path.posix.dirname(file), target)}.ts`
    )
  ])
)

/** A way from a file back to itself. */
const circle = (): ReadonlyArray<string> => {
  const done = new Set<string>()
  const walk = (file: string, way: ReadonlyArray<string>): ReadonlyArray<string> => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file]
    if (done.has(file)) return []
    for (const next of imports.get(file) ?? []) {
      const found = walk(next, [...way, file])
      if (found.length > 0) return found
    }
    done.add(file)
    return []
  }
  for (const file of files) {
    const found = walk(file, [])
    if (found.length > 0) return found
  }
  return []
}

describe("the source", () => {
  it("has no circle of files, not even of types", () => {
    expect(files.length).toBeGreaterThan(100)
    expect(circle()).toEqual([])
  })

  it("has at most three files that lie flat in src/internal, and no file of more than 400 lines", () => {
    expect(files.filter((file) => /^internal\/[^/]+$/.test(file)).length).toBeLessThanOrEqual(3)
    const long = files.filter((file) => readFileSync(Path.join(root, file), "utf8").split("\n").length > 401)
    expect(long).toEqual([])
  })

  it("has in src itself the modules of index.ts alone, each of them exported or closed", () => {
    const read = (file: string) => readFileSync(Path.join(root, file), "utf8")
    const isPublic = (file: string) =>
      read("index.ts").includes(`"./${file.replace(/ts$/, "js")}"`) ||
      read("../package.json").includes(`"./${file.replace(/\.ts$/, "")}": null`)
    expect(files.filter((file) => !file.includes("/")).filter((file) => !isPublic(file))).toEqual([])
  })

  it("logs nothing outside of the consumers of events and the command", () => {
    const loggers = files
      .filter((file) => !file.startsWith("internal/report/") && !file.startsWith("cli/"))
      // It collects log lines, and writes none.
      .filter((file) => file !== "testing/Logs.ts")
      .filter((file) => /Effect\.log|Logger\.|Console\./.test(readFileSync(Path.join(root, file), "utf8")))
    expect(loggers).toEqual([])
  })
})
