import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ProgressLine from "../../../src/cli/node/ProgressLine.js"

const replication = { source: "nyc1", prefix: "global/", destinationPrefix: "global/" }

const progress = (elapsed: number) =>
  ({
    _tag: "ComparisonProgressed",
    at: 0,
    replication,
    compared: elapsed,
    expectedKeys: 2_000,
    writes: 0,
    elapsed
  }) as const

const began = { _tag: "ComparisonBegan", at: 0, replication, isFirst: true, totalKeys: 0 } as const

describe("the line of progress", () => {
  it.effect("is drawn in place at most five times a second, and erased when both sides are compared", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const { consume } = ProgressLine.make((text) => void written.push(text))
      yield* consume(began)
      for (const elapsed of [100, 199, 200, 300, 399, 400, 900]) yield* consume(progress(elapsed))
      yield* consume(began)
      yield* consume(progress(100))
      yield* consume(began)
      expect(written.map((text) => text.replace(/\r\x1b\[K/, "").slice(0, 24))).toEqual([
        "comparing: 200 of 2000 k",
        "comparing: 400 of 2000 k",
        "comparing: 900 of 2000 k",
        ""
      ])
    })
  )
})
