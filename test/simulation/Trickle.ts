/**
 * An answer whose body arrives little by little, as over a slow link: bytes flow all the time.
 */
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ClientResponse from "../../src/internal/ClientResponse.js"
import type { Answer } from "./Spoiling.js"

const encoder = new TextEncoder()

/** The part of each second arrives at its end. */
export const trickle = (
  request: HttpClientRequest,
  { headers, status, text }: Answer,
  bytesPerSecond: number,
  clock: Clock.Clock
): ClientResponse.ClientResponse => {
  const second = clock.sleep(Duration.seconds(1))
  const decoder = new TextDecoder()
  const bytes = encoder.encode(text)
  const seconds = Math.ceil(bytes.length / bytesPerSecond)
  const arrived = Effect.repeatN(second, Math.max(0, seconds - 1))
  const from = (at: number, take: ClientResponse.Take): Effect.Effect<void> => {
    const chunk = bytes.subarray(at, at + bytesPerSecond)
    if (chunk.length === 0) return Effect.void
    return Effect.flatMap(second, () =>
      take(decoder.decode(chunk, { stream: true }), chunk.length)
        ? from(at + bytesPerSecond, take)
        : Effect.void
    )
  }
  const body: ClientResponse.Body = {
    read: (take) => Effect.suspend(() => from(0, take)),
    text: Effect.as(arrived, text),
    bytes: Effect.as(arrived, bytes)
  }
  return new ClientResponse.ClientResponse(request, { status, headers, body })
}
