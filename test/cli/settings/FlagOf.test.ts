import { describe, expect, it } from "@effect/vitest"
import { wrongUse } from "../../../src/cli/settings/FlagOf.js"
import { Origin } from "../../../src/cli/settings/Origin.js"
import { InvalidOptions } from "../../../src/InvalidOptions.js"

const refused = (field: string, alternative?: string) =>
  wrongUse(new Map([["reconcile", Origin.File({ file: "a.hcl", line: 3, key: "reconcile" })]]))(
    new InvalidOptions({ of: "Replication", field, given: "x", problem: "is wrong", alternative })
  ).message

describe("a field that the library refuses", () => {
  it.each([
    ["source", "-src"],
    ["prefix", "-prefix"],
    ["destinationPrefix", "-dst-prefix"],
    ["status", "-status"],
    ["maxDeletes", "-max-deletes"],
    ["watchShards", "-watch-shards"],
    ["lock", "-lock"],
    ["service", "-service"]
  ])("%s is called by its flag, %s", (field, flag) => {
    expect(refused(field)).toBe(`${flag}: is wrong`)
  })

  it("is called by the place where it was given", () => {
    expect(refused("reconcile")).toBe("a.hcl:3: reconcile: is wrong")
  })

  it("keeps its name if no flag sets it", () => {
    expect(refused("shardKeys")).toBe("shardKeys: is wrong")
  })

  it("has the flag of the field that can be changed instead", () => {
    expect(refused("source", "destinationPrefix")).toBe("-src: is wrong, or another -dst-prefix")
  })

  it("names no other option if the same one gives what can be changed instead", () => {
    const prefix = Origin.File({ file: "a.hcl", line: 3, key: "prefix" })
    const origins = new Map([
      ["src", prefix],
      ["dst-prefix", prefix]
    ])
    const error = new InvalidOptions({
      of: "Replication",
      field: "source",
      given: "x",
      problem: "is wrong",
      alternative: "destinationPrefix"
    })
    expect(wrongUse(origins)(error).message).toBe("a.hcl:3: prefix: is wrong, or another destination")
  })
})
