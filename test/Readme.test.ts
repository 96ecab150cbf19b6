import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

describe("README.md", () => {
  it("shows of the library what stands in an example, where it is compiled and run", () => {
    const blocks = [...read("README.md").matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code)
    const parts = blocks.flatMap((code) => code.trim().split("\n\n"))
    expect(parts.length).toBeGreaterThan(0)
    const example = read("examples/embed.ts")
    for (const part of parts) expect(example).toContain(part)
  })
})
