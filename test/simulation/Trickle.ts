/**
 * An answer whose body arrives little by little, as over a slow link: bytes flow all the time.
 */
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ClientResponse from "../../src/internal/ClientResponse.js"
import type { Answer } from "./Spoiling.js"

class Trickling extends ClientResponse.ClientResponse {
  constructor(
    request: HttpClientRequest,
    { headers, status, text }: Answer,
    private readonly chunks: ReadonlyArray<Uint8Array>,
    private readonly second: Effect.Effect<void>
  ) {
    const body = Effect.as(
      Effect.repeatN(second, Math.max(0, chunks.length - 1)),
      ClientResponse.ofText(text)
    )
    super(request, { status, headers, body })
  }

  override get stream(): Stream.Stream<Uint8Array> {
    return Stream.mapEffect(Stream.fromIterable(this.chunks), (chunk) => Effect.as(this.second, chunk))
  }
}

const encoder = new TextEncoder()

/** The part of each second arrives at its end. */
export const trickle = (
  request: HttpClientRequest,
  answer: Answer,
  bytesPerSecond: number,
  clock: Clock.Clock
): ClientResponse.ClientResponse => {
  const bytes = encoder.encode(answer.text)
  const count = Math.ceil(bytes.length / bytesPerSecond)
  const chunks = Array.from({ length: count }, (_, i) =>
    bytes.subarray(i * bytesPerSecond, (i + 1) * bytesPerSecond)
  )
  return new Trickling(request, answer, chunks, clock.sleep(Duration.seconds(1)))
}
