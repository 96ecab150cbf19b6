/**
 * An answer whose body has arrived with the headers, or arrives later. Reading a body that has arrived takes no turn of the event
 * loop: a simulation stays deterministic, and a small request is cheap. The answers of `@effect/platform-node` (0.108) are streams;
 * `cli/node/UndiciClient.ts` has what they cost.
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { breathe } from "./EventLoop.js"

/** Reads the next piece of a text. `bytes` is its size. Returns false if the rest need not be read. */
export type ReadPiece = (text: string, bytes: number) => boolean

/**
 * The body of an answer. It can be read once in pieces, or any number of times as a whole. Both fail with the cause if the answer
 * breaks off.
 */
export interface Body {
  /** Reads the body in pieces. Succeeds when all pieces were read, or `readPiece` has returned false. */
  readonly read: (readPiece: ReadPiece) => Effect.Effect<void, unknown>
  /** The whole body as text. */
  readonly text: Effect.Effect<string, unknown>
  /** The whole body as bytes. */
  readonly bytes: Effect.Effect<Uint8Array, unknown>
}

/** The parts of an answer. */
export interface Source {
  readonly status: number
  /** The headers, with names in any case. */
  readonly headers: Headers.Input
  readonly body: Body
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** A text of more characters is read in slices, with a turn of the event loop after each: 8 MB take about 40 ms. */
const longText = 2 ** 23

/** Characters of a slice. */
const sliceLength = 2 ** 20

/** Reads a text that has arrived. Returns false if no more is to be read. A small text takes no turn of the event loop. */
export const readInTurns = (readPiece: ReadPiece, text: string, bytes: number): Effect.Effect<boolean> => {
  if (text.length <= longText) return Effect.sync(() => readPiece(text, bytes))
  const step = (at: number): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      const slice = text.slice(at, at + sliceLength)
      const next = at + slice.length
      // The first slice has the bytes of the whole text, so that an answer that is too large is refused by its first slice.
      const readsOn = readPiece(slice, at === 0 ? bytes : 0)
      return readsOn && next < text.length ? Effect.zipRight(breathe, step(next)) : Effect.succeed(readsOn)
    })
  return step(0)
}

const ofBytes = (bytes: Uint8Array): Body => ({
  read: (readPiece) =>
    Effect.asVoid(Effect.suspend(() => readInTurns(readPiece, decoder.decode(bytes), bytes.length))),
  text: Effect.sync(() => decoder.decode(bytes)),
  bytes: Effect.succeed(bytes)
})

/** The bytes of a body that is read as text. */
export const bytesOf = (text: Effect.Effect<string, unknown>): Effect.Effect<Uint8Array, unknown> =>
  Effect.map(text, (text) => encoder.encode(text))

/** An answer. Each use of a member computes it: most members are used once or never. */
export class ClientResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    private readonly source: Source
  ) {
    super()
  }

  /** An answer whose whole body has arrived. */
  static whole(
    request: HttpClientRequest.HttpClientRequest,
    source: Omit<Source, "body"> & { readonly body: Uint8Array }
  ): ClientResponse {
    return new ClientResponse(request, { ...source, body: ofBytes(source.body) })
  }

  get [HttpClientResponse.TypeId](): HttpClientResponse.TypeId {
    return HttpClientResponse.TypeId
  }

  get [HttpIncomingMessage.TypeId](): HttpIncomingMessage.TypeId {
    return HttpIncomingMessage.TypeId
  }

  get remoteAddress(): Option.Option<string> {
    return Option.none()
  }

  get cookies(): Cookies.Cookies {
    return Cookies.empty
  }

  get headers(): Headers.Headers {
    return Headers.fromInput(this.source.headers)
  }

  get status(): number {
    return this.source.status
  }

  /** Calls `readPiece` with the text while it arrives. This works once: the text is not kept. */
  read(readPiece: ReadPiece): Effect.Effect<void, HttpClientError.ResponseError> {
    return this.decoding(this.source.body.read(readPiece))
  }

  private decoding<A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.mapError(effect, (cause) => this.undecodable(cause))
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return this.decoding(this.source.body.text)
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.tryMap(this.text, {
      // As with other clients of Effect, an empty body is null.
      try: (text): unknown => (text === "" ? null : JSON.parse(text)),
      catch: (cause) => this.undecodable(cause)
    })
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(this.decoding(this.source.body.bytes), (bytes) => new Uint8Array(bytes).buffer)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.fromEffect(this.decoding(this.source.body.bytes))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.fail(this.undecodable("Consul answers no forms"))
  }

  private undecodable(cause: unknown): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({
      request: this.request,
      response: this,
      reason: "Decode",
      cause
    })
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

/** The most bytes, by the headers, of an answer that is read at once. */
const smallBytes = 2 ** 16

const isEmpty = (error: HttpClientError.ResponseError): boolean => error.reason === "EmptyBody"

/** Calls `readPiece` with the text of an answer of any client while it arrives. */
export const read = (
  response: HttpClientResponse.HttpClientResponse,
  readPiece: ReadPiece
): Effect.Effect<void, HttpClientError.ResponseError> => {
  if (response instanceof ClientResponse) return response.read(readPiece)
  const length = Number(response.headers["content-length"] ?? Number.NaN)
  if (length <= smallBytes) {
    return Effect.asVoid(Effect.flatMap(response.text, (text) => readInTurns(readPiece, text, length)))
  }
  return Effect.suspend(() => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    return response.stream.pipe(
      Stream.runForEachWhile((chunk) =>
        readInTurns(readPiece, decoder.decode(chunk, { stream: true }), chunk.length)
      ),
      Effect.tap(() => Effect.sync(() => readPiece(decoder.decode(), 0)))
    )
  }).pipe(Effect.catchIf(isEmpty, () => Effect.void))
}
