import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Network from "../../src/testing/Network.js"
import * as World from "../../src/testing/World.js"
import * as Events from "../support/Events.js"
import * as Replicating from "../support/Replicating.js"

const { converged, holds, inSync, it, named, put, replicate, stored, until } = Replicating
const { destination, source } = World

/** Answers of the source that lack a key: lists of many, or a read of the key alone too. */
const lacking = (key: string, reads: RegExp): Network.Fault =>
  Network.on(reads, (sent, pass) =>
    Effect.flatMap(pass, (response) =>
      Effect.flatMap(response.text, (text) => {
        if (response.status !== 200) return pass
        const left = (JSON.parse(text) as ReadonlyArray<{ readonly Key: string }>).filter(
          ({ Key }) => Key !== key
        )
        return Network.answer(
          left.length === 0 ? 404 : 200,
          left.length === 0 ? "" : JSON.stringify(left),
          response.headers
        )(sent, pass)
      })
    )
  )

const lists = /^GET .*recurse=.*dc=nyc1/
const reads = /^GET (?!.*keys=).*dc=nyc1/

const isCounted = Effect.map(stored, ({ State }) => State === "writes-refused")

describe("a key that the source has, and that its lists lack", () => {
  it("is not deleted but read alone", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(20))
      yield* put(destination, "global/7")
      const instance = yield* World.instance()
      yield* instance.network.disturb(lacking("global/7", lists))
      yield* replicate(instance)
      yield* until(inSync)
      expect(yield* converged).toBe(true)
    }))

  it("is left as it is and counted if a read of it alone lacks it too", () =>
    Effect.gen(function* () {
      yield* put(source, ...named(20))
      yield* put(destination, "global/7")
      const instance = yield* World.instance()
      yield* instance.network.disturb(lacking("global/7", reads))
      yield* replicate(instance)
      yield* until(isCounted)
      yield* Effect.sleep("5 minutes")
      expect(yield* holds(destination, "global/7")).toBe(true)
      expect(yield* stored).toMatchObject({ State: "writes-refused", RefusedWrites: 1, LastReplicated: 0 })
      expect(Events.odd(instance)).toMatchObject([
        {
          _tag: "WritesRefused",
          refusals: [
            {
              key: "global/7",
              cause: "KeyUnreadable",
              message:
                'what the source has for "global/7" cannot be copied: a read of it finds nothing, but the source says that ' +
                "it exists"
            }
          ]
        }
      ])
      yield* instance.network.heal
      yield* until(inSync)
      expect(yield* converged).toBe(true)
    }))
})
