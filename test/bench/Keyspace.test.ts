import { describe, expect, it } from "@effect/vitest"
import { keys, last, shapes, valueOf } from "../../bench/Keyspace.js"

describe("keyspaces", () => {
  for (const shape of shapes) {
    it(`${shape}: as many keys as its size, the last of which sorts last`, () => {
      const keyspace = { prefix: "p/", size: 2000, shape }
      const all = keys(keyspace)
      expect(new Set(all).size).toBe(2000)
      expect(all.every((key) => key.startsWith("p/"))).toBe(true)
      expect([...all].sort().at(-1)).toBe(last(keyspace))
    })
  }

  it("have the folders that the shape says", () => {
    const folders = (shape: (typeof shapes)[number]) =>
      new Set(
        keys({ prefix: "", size: 100_000, shape })
          .slice(0, -1)
          .map((key) => key.slice(0, key.lastIndexOf("/") + 1))
      )
    expect([...folders("flat")]).toEqual([""])
    expect(folders("nested").size).toBe(10_000)
    expect([...folders("deep")]).toEqual(["a/b/c/d/e/"])
    expect(folders("lopsided").size).toBe(1001)
  })

  it("have values of 100 bytes", () => {
    expect(Buffer.byteLength(valueOf("change 1"))).toBe(100)
  })
})
