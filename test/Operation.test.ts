import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { encode, Operation, sizeOf } from "../src/Operation.js"
import * as Value from "../src/Value.js"
import { flags, text, value } from "./support/Keys.js"

/** Reads the operation, its flags by their digits: `JSON.parse` would round them. */
const read = (json: string) => {
  const digits = /"Flags":(\d+)(?=[,}])/g
  const found = [...json.matchAll(digits)].map(([, flags]) => BigInt(flags ?? ""))
  const { KV } = JSON.parse(json) as { readonly KV: Record<string, unknown> }
  return "Flags" in KV ? { ...KV, Flags: found.at(-1) } : KV
}

const index = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const session = fc.uuid()

describe("Operation", () => {
  it.prop(
    "is read by Consul as it was meant: any key, exact flags, and no field that its verb does not take",
    [text, value, flags, index, session],
    ([key, value, flags, index, session]) => {
      const content = { Key: key, Value: value, Flags: flags }
      const check = (operation: Operation, expected: Record<string, unknown>) =>
        expect(read(encode(operation))).toEqual(expected)
      check(Operation.Set({ key, value, flags }), { Verb: "set", ...content })
      check(Operation.Cas({ key, value, flags, index }), { Verb: "cas", ...content, Index: index })
      check(Operation.Delete({ key }), { Verb: "delete", Key: key })
      check(Operation.DeleteCas({ key, index }), { Verb: "delete-cas", Key: key, Index: index })
      check(Operation.Lock({ key, value, flags, session }), { Verb: "lock", ...content, Session: session })
      check(Operation.Unlock({ key, value, flags, session }), {
        Verb: "unlock",
        ...content,
        Session: session
      })
      check(Operation.CheckIndex({ key, index }), { Verb: "check-index", Key: key, Index: index })
      check(Operation.CheckSession({ key, session }), { Verb: "check-session", Key: key, Session: session })
      check(Operation.Get({ key }), { Verb: "get", Key: key })
      check(Operation.GetTree({ key }), { Verb: "get-tree", Key: key })
    }
  )

  it.prop("its size is that of its text, to the byte", [text, value, flags, index, session], (given) => {
    const [key, value, flags, index, session] = given
    for (const operation of [
      Operation.Set({ key, value, flags }),
      Operation.Cas({ key, value, flags, index }),
      Operation.Delete({ key }),
      Operation.CheckSession({ key, session })
    ]) {
      expect(sizeOf(operation)).toBe(new TextEncoder().encode(encode(operation)).length)
    }
  })

  it.prop(
    "is one operation, whatever its value is",
    [fc.string(), fc.constantFrom('"', "\\", "")],
    (given) => {
      const [some, end] = given
      const value = `${some}${end}}},{"KV":{"Verb":"delete-tree","Key":"","Value":"`
      const json = encode(Operation.Set({ key: "k", value: value as Value.Value, flags: 0n }))
      expect(JSON.parse(json)).toEqual({ KV: { Verb: "set", Key: "k", Value: value, Flags: 0 } })
    }
  )

  it("writes flags in full", () => {
    for (const flags of [0n, 2n ** 53n + 1n, 3304740253564472344n, 2n ** 64n - 1n]) {
      expect(encode(Operation.Set({ key: "k", value: Value.empty, flags }))).toBe(
        `{"KV":{"Verb":"set","Key":"k","Value":"","Flags":${flags}}}`
      )
    }
  })
})
