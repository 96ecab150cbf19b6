import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { DurationFromInput } from "../../src/internal/effect/DurationFromInput.js"

const decode = Schema.decodeUnknownEither(DurationFromInput)

describe("a duration in an option", () => {
  it("is read in each form that Effect's functions take", () => {
    for (const input of [250, "250 millis", Duration.millis(250), 250_000_000n]) {
      expect(Either.map(decode(input), Duration.toMillis)).toEqual(Either.right(250))
    }
  })

  it("is refused with an example if it is no duration", () => {
    const refused = Either.flip(decode("250ms"))
    expect(Either.getOrThrow(refused).message).toContain('write one such as "10 seconds"')
  })

  it("is read in one form alone by each schema of Effect (3.22), and as text by none", () => {
    const schemas: ReadonlyArray<Schema.Schema.AnyNoContext> = [
      Schema.DurationFromMillis,
      Schema.DurationFromNanos,
      Schema.Duration
    ]
    for (const schema of schemas) {
      expect(Either.isLeft(Schema.decodeUnknownEither(schema)("250 millis"))).toBe(true)
    }
  })
})
