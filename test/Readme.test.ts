import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

describe("README.md", () => {
  it("shows of the library what is an example, which is compiled and packed", () => {
    const blocks = [...read("README.md").matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code)
    const example = read("examples/replicate.ts")
    expect(blocks).toEqual([example.slice(example.indexOf("import "))])
  })
})
