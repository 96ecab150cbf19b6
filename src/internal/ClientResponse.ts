/**
 * An answer whose body is there at once, or all of it later. To read what is there takes no turn of the event loop: a
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

/** It is kept as it came; the other form is made each time that it is asked for. */
export interface Body {
  readonly text: () => string
  readonly bytes: () => Uint8Array
}

/** What was answered; `headers` with names in any case. The body fails with what broke it off. */
export interface Source {
  readonly status: number
  readonly headers: Headers.Input
  readonly body: Effect.Effect<Body, unknown>
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export const ofText = (text: string): Body => ({ text: () => text, bytes: () => encoder.encode(text) })

const ofBytes = (bytes: Uint8Array): Body => ({ text: () => decoder.decode(bytes), bytes: () => bytes })

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
    return new ClientResponse(request, { ...source, body: Effect.succeed(ofBytes(source.body)) })
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

  private get body(): Effect.Effect<Body, HttpClientError.ResponseError> {
    return Effect.mapError(this.source.body, (cause) => this.undecodable(cause))
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.map(this.body, (body) => body.text())
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.tryMap(this.text, {
      // As with other clients, nothing at all is null.
      try: (text): unknown => (text === "" ? null : JSON.parse(text)),
      catch: (cause) => this.undecodable(cause)
    })
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(this.body, (body) => new Uint8Array(body.bytes()).buffer)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.fromEffect(Effect.map(this.body, (body) => body.bytes()))
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
