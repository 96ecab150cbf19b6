import { existsSync, readFileSync } from "node:fs"
import * as Path from "node:path"
import * as Url from "node:url"
import { describe, expect, it } from "@effect/vitest"

const root = Url.fileURLToPath(new URL("..", import.meta.url))
const page = readFileSync(Path.join(root, "docs/promises.md"), "utf8")

/** Files of tests with the beginnings of the titles that the page names in each. */
const named = Array.from(
  page.matchAll(/`(test\/[^`]+\.test\.ts)`(?:: ("[^"]+ …"(?:, "[^"]+ …")*))?/g),
  ([, file = "", titles = ""]) => ({
    file,
    titles: Array.from(titles.matchAll(/"([^"]+) …"/g), ([, title = ""]) => title)
  })
)

describe("docs/promises.md", () => {
  it("names files of tests that exist, and titles that are in them", () => {
    const missing = named.flatMap(({ file, titles }) => {
      const path = Path.join(root, file)
      if (!existsSync(path)) return [file]
      const text = readFileSync(path, "utf8")
      return titles.filter((title) => !text.includes(title)).map((title) => `${file}: ${title}`)
    })
    expect(missing).toEqual([])
    expect(named.flatMap(({ titles }) => titles).length).toBeGreaterThan(5)
  })
})
