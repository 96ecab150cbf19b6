import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { measures, type Part, parse, parts } from "../../bench/Plan.js"

const planOf = (...args: ReadonlyArray<string>) => Either.getOrThrow(parse(args)).plan

describe("the plan of a benchmark", () => {
  it("measures everything once at 100,000 keys, and of larger prefixes only what their size can tell", () => {
    const plan = planOf("--keys", "1000000,1000,10000,100000")
    const at = (size: number): ReadonlyArray<Part> => parts.filter((part) => measures(plan, part, size))
    expect(plan.sizes).toEqual([1000, 10_000, 100_000, 1_000_000])
    expect(at(1000)).toEqual(["first-sync", "latency"])
    expect(at(10_000)).toEqual(["first-sync", "latency", "sustained"])
    expect(at(100_000)).toEqual(parts)
    expect(at(1_000_000)).toEqual(["first-sync", "idle", "restart"])
  })

  it("is limited to the parts that are named", () => {
    const plan = planOf("--only", "latency,idle", "--quick")
    expect(parts.filter((part) => measures(plan, part, 1000))).toEqual(["latency", "idle"])
  })

  it("says what is wrong with its arguments", () => {
    const wrong = (...args: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(parse(args))).message
    expect(wrong("--keys", "many")).toContain("--keys")
    expect(wrong("--only", "latencies")).toContain("no latencies")
    expect(wrong("--fast")).toContain("--fast")
    expect(wrong("--quick", "--write-docs")).toContain("--write-docs")
  })
})
