/**
 * Requests over new connections. Such a request shows whether the agent still accepts connections. A request over an open
 * connection does not.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** Sends the requests of an effect over new connections, which are closed after the answers. */
export type Over = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Provided by an `HttpClient` that has control of its connections. */
export class NewConnection extends Context.Reference<NewConnection>()(
  "consul-replicate/internal/NewConnection",
  { defaultValue: (): { readonly over: Over | undefined } => ({ over: undefined }) }
) {}
