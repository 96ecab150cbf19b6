/**
 * Whom a client of Consul asks, and as whom.
 *
 * @since 0.5.0
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Address from "../../Address.js"

/**
 * A token, or an effect that reads the present one for each request: it can change while the program runs.
 *
 * @since 0.5.0
 * @category models
 */
export type Token = Redacted.Redacted | Effect.Effect<Redacted.Redacted>

/**
 * The setting that an error is about, for a person who has to change it: the address, the token, the certificates of the trusted
 * authorities (`ca`), the client's own certificate or its key, or the name in the server's certificate.
 *
 * @since 0.5.0
 * @category models
 */
export type Setting = "address" | "token" | "ca" | "certificate" | "key" | "serverName"

/**
 * The part of Consul Enterprise that keys, sessions and services are in. Without a name it is the default one, or the one of the
 * token.
 *
 * @since 0.5.0
 * @category models
 */
export interface Tenancy {
  /** Servers that are not Enterprise refuse each request that names one (1.8.7). */
  readonly namespace?: string | undefined
  /** The admin partition, since 1.11. Older servers ignore it. */
  readonly partition?: string | undefined
}

const isSamePart = (one = "default", other = "default"): boolean => one === other

/**
 * Whether both are one namespace in one partition.
 *
 * @since 0.5.0
 * @category predicates
 */
export const isSameTenancy = (one: Tenancy, other: Tenancy): boolean =>
  isSamePart(one.namespace, other.namespace) && isSamePart(one.partition, other.partition)

/**
 * Whom to ask, and as whom: the agent at `address`, which forwards to `datacenter` where one is named.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint extends Tenancy {
  readonly address: Address.Address
  readonly datacenter?: string | undefined
  readonly token?: Token | undefined
  /**
   * `user:password` of HTTP's basic authentication, which a proxy in front of the agent may ask for.
   *
   * @since 0.5.0
   */
  readonly auth?: Redacted.Redacted | undefined
  /**
   * The names of the settings in messages, such as `{ ca: "-consul-ssl-ca-cert" }`. A setting without a name here has the name
   * of {@link Setting}.
   *
   * @since 0.5.0
   */
  readonly settings?: { readonly [S in Setting]?: string | undefined } | undefined
}
