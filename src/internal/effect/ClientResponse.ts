/**
 * An answer whose body is there at once, or arrives. To read what is there takes no turn of the event loop: a
 * simulation stays deterministic with it, and a small request cheap.
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

/** Takes the text of an answer as it arrives; `bytes` is how many bytes it was. False: the rest is not wanted. */
export type Take = (text: string, bytes: number) => boolean

/**
 * The body of an answer. It can be read once in pieces, or as often as somebody likes as a whole. Both fail with what broke
 * it off.
 */
export interface Body {
  /** Ends when all has been taken, or the rest is not wanted. */
  readonly read: (take: Take) => Effect.Effect<void, unknown>
  readonly text: Effect.Effect<string, unknown>
  readonly bytes: Effect.Effect<Uint8Array, unknown>
}

/** What was answered; `headers` with names in any case. */
export interface Source {
  readonly status: number
  readonly headers: Headers.Input
  readonly body: Body
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** A longer text is taken in slices of `sliceLength` characters, with turns of the event loop between: 8 MB take some 40 ms. */
const longText = 2 ** 23
const sliceLength = 2 ** 20

/** Takes a text that is there at once, and says whether more is wanted. A small one takes no turn of the event loop. */
export const takeInTurns = (take: Take, text: string, bytes: number): Effect.Effect<boolean> => {
  if (text.length <= longText) return Effect.sync(() => take(text, bytes))
  const step = (at: number): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      const slice = text.slice(at, at + sliceLength)
      const next = at + slice.length
      // The bytes are those of all of it, so that too large an answer is known by the first slice.
      const isWanted = take(slice, at === 0 ? bytes : 0)
      return isWanted && next < text.length ? Effect.zipRight(breathe, step(next)) : Effect.succeed(isWanted)
    })
  return step(0)
}

const ofBytes = (bytes: Uint8Array): Body => ({
  read: (take) => Effect.asVoid(Effect.suspend(() => takeInTurns(take, decoder.decode(bytes), bytes.length))),
  text: Effect.sync(() => decoder.decode(bytes)),
  bytes: Effect.succeed(bytes)
})

/** The bytes of a body that is got as text. */
export const bytesOf = (text: Effect.Effect<string, unknown>): Effect.Effect<Uint8Array, unknown> =>
  Effect.map(text, (text) => encoder.encode(text))

/** All of it is got, not kept: of what an answer has, most is asked for once or never. */
export class ClientResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    private readonly source: Source
  ) {
    super()
  }

  /** One of which all is there. */
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

  /** Gives the text as it arrives, once: what was taken is not kept. */
  read(take: Take): Effect.Effect<void, HttpClientError.ResponseError> {
    return this.decoding(this.source.body.read(take))
  }

  private decoding<A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.mapError(effect, (cause) => this.undecodable(cause))
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return this.decoding(this.source.body.text)
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.tryMap(this.text, {
      // As with other clients, nothing at all is null.
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

/** An answer that says that it is no longer is read at once. */
const smallBytes = 2 ** 16

const isEmpty = (error: HttpClientError.ResponseError): boolean => error.reason === "EmptyBody"

/** Gives the text of any client's answer to `take` as it arrives. */
export const read = (
  response: HttpClientResponse.HttpClientResponse,
  take: Take
): Effect.Effect<void, HttpClientError.ResponseError> => {
  if (response instanceof ClientResponse) return response.read(take)
  const length = Number(response.headers["content-length"] ?? Number.NaN)
  if (length <= smallBytes) {
    return Effect.asVoid(Effect.flatMap(response.text, (text) => takeInTurns(take, text, length)))
  }
  return Effect.suspend(() => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    return response.stream.pipe(
      Stream.runForEachWhile((chunk) =>
        takeInTurns(take, decoder.decode(chunk, { stream: true }), chunk.length)
      ),
      Effect.tap(() => Effect.sync(() => take(decoder.decode(), 0)))
    )
  }).pipe(Effect.catchIf(isEmpty, () => Effect.void))
}
