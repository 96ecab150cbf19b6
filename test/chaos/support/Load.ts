/**
 * A writer at a source that records every state of the source.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import type { History, Moment } from "./History.js"
import type { Pair } from "./Pair.js"
import * as View from "./View.js"

export interface Options {
  readonly keys: number
  /** The most changes of a transaction: up to 63, since each transaction also writes the key that numbers it. */
  readonly changes: number
  readonly pause: Duration.DurationInput
  readonly seed: number
  /** The size of each value, in bytes. Default 20. */
  readonly bytes?: number | undefined
  /** One in this many rounds writes a value that is too large for a transaction. Default: no round does. */
  readonly largeEach?: number | undefined
}

export interface Load {
  /** The history, with every write that has landed. */
  readonly history: Effect.Effect<History>
  /** Ends the writer. Dies if the writer has already ended because a write was refused. */
  readonly stop: Effect.Effect<void>
}

const Written = Schema.parseJson(
  Schema.Struct({
    Results: Schema.Array(Schema.Struct({ KV: Schema.Struct({ ModifyIndex: Schema.Number }) }))
  })
)

const largeBytes = 450_000

const base64 = (text: string) => Buffer.from(text).toString("base64")

/** Writes all keys, then goes on at random until the scope closes. Nobody else may write under the pair's prefix. */
export const start = Effect.fnUntraced(function* (pair: Pair, options: Options) {
  const { changes, keys, largeEach = 0, pause, seed, bytes = 20 } = options
  const random = Random.make(`${seed} ${pair.prefix}`)
  const history = yield* Ref.make<ReadonlyArray<Moment>>([])
  const one = yield* Effect.makeSemaphore(1)
  let round = 0

  const name = (i: number) => `${pair.prefix}${String(i).padStart(5, "0")}`
  const current = Effect.map(Ref.get(history), (moments) => moments.at(-1)?.state ?? HashMap.empty())
  const remember = (index: number, state: View.Contents) =>
    Ref.update(history, (moments) => [...moments, { index, state }])

  const transact = Effect.fnUntraced(function* (which: ReadonlyArray<number>, deletes: boolean) {
    round += 1
    const operations: Array<object> = []
    let state = yield* current
    const set = (Key: string, text: string, Flags: number) => {
      const Value = base64(text)
      operations.push({ KV: { Verb: "set", Key, Value, Flags } })
      state = HashMap.set(state, Key, View.digest(Value, Flags))
    }
    // Every transaction writes this key, so that each answer has an index, and no two states are equal.
    set(`${pair.prefix}round`, String(round), round)
    for (const i of which) {
      if (deletes && (yield* random.next) < 0.2) {
        operations.push({ KV: { Verb: "delete", Key: name(i) } })
        state = HashMap.remove(state, name(i))
      } else set(name(i), `${round} ${i} `.padEnd(bytes, "."), yield* random.nextIntBetween(0, 3))
    }
    const { text } = yield* pair.source.request("PUT", "/v1/txn", JSON.stringify(operations))
    const { Results } = yield* Schema.decode(Written)(text)
    yield* remember(Results[0]?.KV.ModifyIndex ?? 0, state)
  }, Effect.orDie)

  const putLarge = Effect.gen(function* () {
    round += 1
    const key = `${pair.prefix}large`
    const text = `${round} `.padEnd(largeBytes, ".")
    yield* pair.source.put({ key, value: text })
    const answer = yield* pair.source.request("GET", `/v1/kv/${key}`)
    const index = Number(/"ModifyIndex":(\d+)/.exec(answer.text)?.[1])
    yield* remember(index, HashMap.set(yield* current, key, View.digest(base64(text), 0)))
  })

  const all = Array.from({ length: keys }, (_, i) => i)
  const step = Effect.gen(function* () {
    if (largeEach > 0 && (yield* random.nextIntBetween(0, largeEach)) === 0) return yield* putLarge
    const count = yield* random.nextIntBetween(1, Math.min(changes, keys) + 1)
    const which = new Set<number>()
    for (let i = 0; i < count; i++) which.add(yield* random.nextIntBetween(0, keys))
    yield* transact([...which], true)
  })
  const undisturbed = <A>(effect: Effect.Effect<A>) => one.withPermits(1)(Effect.uninterruptible(effect))

  for (let i = 0; i < keys; i += changes) yield* transact(all.slice(i, i + changes), false)
  const fiber = yield* Effect.forkScoped(
    Effect.forever(Effect.zipRight(undisturbed(step), Effect.sleep(pause)))
  )

  return {
    history: undisturbed(Ref.get(history)),
    stop: Effect.flatMap(Fiber.interrupt(fiber), (exit) =>
      Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)
        ? Effect.failCause(exit.cause)
        : Effect.void
    )
  } satisfies Load
})
