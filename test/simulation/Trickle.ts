/**
 * An answer whose body arrives little by little, as over a slow link: bytes flow all the time.
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ClientResponse from "../../src/internal/effect/ClientResponse.js"
import type { Answer } from "./Spoiling.js"

const encoder = new TextEncoder()

/** `HttpClient.make` wraps a response, so that a reader gets its `stream` and not its `read`. */
class Trickling extends ClientResponse.ClientResponse {
  constructor(
    request: HttpClientRequest,
    source: ClientResponse.Source,
    private readonly pieces: Stream.Stream<Uint8Array>
  ) {
    super(request, source)
  }

  override get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return this.pieces
  }
}

/** The part of each second arrives at its end. */
export const trickle = (
  request: HttpClientRequest,
  { headers, status, text }: Answer,
  bytesPerSecond: number,
  clock: Clock.Clock
): ClientResponse.ClientResponse => {
  const second = clock.sleep(Duration.seconds(1))
  const bytes = encoder.encode(text)
  const seconds = Math.ceil(bytes.length / bytesPerSecond)
  const pieces = Stream.range(0, seconds - 1).pipe(
    Stream.mapEffect((at) =>
      Effect.as(second, bytes.subarray(at * bytesPerSecond, (at + 1) * bytesPerSecond))
    )
  )
  const arrived = Stream.runDrain(pieces)
  const body: ClientResponse.Body = {
    read: (take) =>
      Effect.suspend(() => {
        const decoder = new TextDecoder()
        return Stream.runForEachWhile(pieces, (piece) =>
          Effect.sync(() => take(decoder.decode(piece, { stream: true }), piece.length))
        )
      }),
    text: Effect.as(arrived, text),
    bytes: Effect.as(arrived, bytes)
  }
  return new Trickling(request, { status, headers, body }, pieces)
}
