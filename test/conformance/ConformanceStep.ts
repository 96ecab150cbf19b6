/**
 * Requests that can be sent to both sides. Each side fills in its own sessions and indexes.
 */
import * as Effect from "effect/Effect"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import * as Answer from "./ConformanceAnswer.js"
import type { Side } from "./ConformanceSide.js"

/**
 * A request with blanks in its target and body:
 *
 * - `{session 0}` is the first session created so far,
 * - `{modify a}` the ModifyIndex of key `a` (as in a path) or 0, and `{modify a 1}` one more than that,
 * - `{index}` the `X-Consul-Index` of the same read without the blank, and `{index -1}` one less,
 * - `{prefix}` the prefix of the keys of this run.
 */
export interface Step {
  readonly method: string
  readonly target: string
  /** The body as bytes. */
  readonly body: string
}

export const show = ({ body, method, target }: Step): string =>
  `${method} ${target}${body === "" ? "" : ` ${JSON.stringify(body.length > 200 ? `${body.slice(0, 200)}…` : body)}`}`

const nobody = "00000000-0000-0000-0000-000000000000"

const send = (side: Side, method: string, target: string, body: string) =>
  side.send({ method, target, body: ByteString.toBytes(body) })

/** Fills the blanks of a text for one side. */
const fill = (side: Side, prefix: string, text: string): Effect.Effect<string> =>
  Effect.gen(function* () {
    let filled = text
      .replaceAll("{prefix}", prefix)
      .replace(/\{session (\d+)\}/g, (_, n: string) => side.sessions[Number(n)] ?? nobody)
    for (const [blank, key = "", more] of filled.matchAll(/\{modify ([^ }]*) ?([^}]*)\}/g)) {
      const response = yield* send(side, "GET", `/v1/kv/${prefix}${key}`, "")
      const index = /"ModifyIndex":(\d+)/.exec(ByteString.fromBytes(response.body))?.[1]
      filled = filled.replace(blank, moved(index, more))
    }
    for (const [blank, more] of filled.matchAll(/\{index ?([^}]*)\}/g)) {
      const plain = filled.replace(/[?&]index=\{index[^}]*\}/, "")
      const response = yield* send(side, "GET", plain.includes("?") ? plain : plain.replace("&", "?"), "")
      const index = response.headers.find(([name]) => name === "X-Consul-Index")?.[1]
      filled = filled.replace(blank, moved(index, more))
    }
    return filled
  })

const moved = (index: string | undefined, by: string | undefined): string =>
  String(Math.max(0, Number(index ?? 0) + Number(by ?? 0)))

/** Sends a step to one side. */
const perform = (side: Side, prefix: string, step: Step): Effect.Effect<Answer.Answer> =>
  Effect.gen(function* () {
    const target = yield* fill(side, prefix, step.target)
    const body = yield* fill(side, prefix, step.body)
    const response = yield* send(side, step.method, target, body)
    const created = /^\{\s*"ID":\s*"([^"]+)"\s*\}\s*$/.exec(ByteString.fromBytes(response.body))?.[1]
    if (created !== undefined && target.startsWith("/v1/session/create")) side.sessions.push(created)
    return Answer.of(side, target, response)
  })

/** Sends the steps to both sides, one after another, until their answers differ. */
export const compare = (
  real: Side,
  simulated: Side,
  prefix: string,
  steps: ReadonlyArray<Step>
): Effect.Effect<number> =>
  Effect.gen(function* () {
    const indexes = new Answer.Indexes()
    for (const [i, step] of steps.entries()) {
      const [expected, actual] = yield* Effect.all([
        perform(real, prefix, step),
        perform(simulated, prefix, step)
      ])
      const problem =
        expected.text === actual.text
          ? expected.indexes.map((index, k) => indexes.add(index, actual.indexes[k] ?? 0)).find(Boolean)
          : "the answers differ"
      if (problem !== undefined) {
        const history = steps.slice(0, i + 1).map((step) => `  ${show(step)}`)
        const answers = `real Consul:\n${expected.text}\n\nSimConsul:\n${actual.text}`
        return yield* Effect.dieMessage(`${problem}\n\n${history.join("\n")}\n\n${answers}\n`)
      }
    }
    return steps.length
  })
