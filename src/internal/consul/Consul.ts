/**
 * The interface of a client of Consul, and its models.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { ConsulError } from "../../ConsulError.js"
import type { KeyValue, KeyValues } from "../../KeyValue.js"
import type { Operation } from "../../Operation.js"
import type { Value } from "../../Value.js"
import type { Endpoint } from "./Endpoint.js"

export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Endpoint,
  /**
   * @since 0.5.0
   * @category models
   */
  Setting,
  /**
   * @since 0.5.0
   * @category models
   */
  Tenancy,
  /**
   * @since 0.5.0
   * @category models
   */
  Token
} from "./Endpoint.js"

/**
 * `default` is answered by the datacenter's leader without asking the others, and can be stale for a moment after
 * an election; `consistent` is never stale; `stale` is answered by any server.
 *
 * @since 0.1.0
 * @category models
 */
export type Consistency = "default" | "consistent" | "stale"

/**
 * With `index` the read blocks until something under what is read has a later index, or for `wait` (at most 10
 * minutes; 5 unless given; the server adds up to a sixteenth).
 *
 * @since 0.1.0
 * @category models
 */
export interface ReadOptions {
  readonly consistency?: Consistency | undefined
  readonly index?: number | undefined
  readonly wait?: Duration.DurationInput | undefined
  /** An answer of more bytes is cut off, and the read fails with `AnswerTooLarge`. No limit unless given. */
  readonly maxBytes?: number | undefined
}

/**
 * With `separator`, keys are folded up to and with the first one after the prefix: `/` lists one folder.
 *
 * @since 0.5.0
 * @category models
 */
export interface FoldOptions extends ReadOptions {
  readonly separator?: string | undefined
}

/**
 * `before` is what an earlier listing answered. Where it is the same still, it is answered itself, and not decoded again.
 *
 * @since 0.5.0
 * @category models
 */
export interface KeysOptions extends FoldOptions {
  readonly before?: ReadonlyArray<string> | undefined
}

/**
 * Keys that are not there, and such as are there and that the token may not read: Consul (1.8.7) leaves these out of all
 * its answers, as if there were none.
 *
 * @since 0.5.0
 * @category models
 */
export interface Presence {
  readonly absent: ReadonlySet<string>
  readonly unreadable: ReadonlySet<string>
  /** `CreateIndex` of each key that is there and can be read. */
  readonly created: ReadonlyMap<string, number>
}

/**
 * An answer of Consul.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer<A> {
  readonly value: A
  /** `X-Consul-Index`: above 0 for reads of keys, and 0 if Consul sends none. */
  readonly index: number
  /** Whether the server that answered knows a leader. */
  readonly knownLeader: boolean
  /** How long before the answer the server had last heard of its leader: ms. */
  readonly lastContact: number
}

/**
 * The condition of a write. `cas` writes if the modify index of the key is that; with 0, only if the key does not exist.
 * `acquire` writes the key and acquires it as a lock of that session. `release` writes the key too, and releases it.
 *
 * @since 0.1.0
 * @category models
 */
export type PutCondition =
  | { readonly cas: number }
  | { readonly acquire: string }
  | { readonly release: string }

/**
 * Options of a transaction.
 *
 * @since 0.5.0
 * @category models
 */
export interface TransactionOptions {
  /** Whether the entries in the answer are decoded and returned: yes unless given. */
  readonly results?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions {
  readonly name: string
  /** Checks of the agent's node. The session ends when one of them becomes critical. */
  readonly checks: ReadonlyArray<string>
  readonly behavior: "release" | "delete"
  /** How long no session can acquire the keys that the session held when it ended. */
  readonly lockDelay: Duration.DurationInput
  /** Between 10 s and 24 h. The session ends after this time, or after up to twice as long, unless it is renewed. */
  readonly ttl?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SessionInfo {
  readonly id: string
  readonly name: string
  readonly node: string
  readonly checks: ReadonlyArray<string>
}

/**
 * A service with one TTL check, whose id is `service:<id>`; registered with the check passing.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceOptions {
  readonly id: string
  readonly name: string
  readonly ttl: Duration.DurationInput
  /** Consul removes the service this long after its check became critical: at least a minute, seen every 30 s. */
  readonly deregisterAfter: Duration.DurationInput
  readonly meta?: Readonly<Record<string, string>> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type CheckStatus = "passing" | "warning" | "critical"

/**
 * @since 0.1.0
 * @category models
 */
export interface AgentSelf {
  readonly datacenter: string
  readonly node: string
  /**
   * A UUID that no other node has.
   *
   * @since 0.5.0
   */
  readonly nodeId: string
  readonly version: string
}

/**
 * The client of one endpoint. Every member fails with {@link ConsulError}. `isRetryable` returns whether a retry can succeed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Consul {
  readonly endpoint: Endpoint
  /**
   * The client of another endpoint, over the same connections. Fields that are not given stay as they are, except at
   * another address: there a token, a password, a namespace, a partition and names of settings count only if they are given
   * with it.
   */
  readonly at: (endpoint: Partial<Endpoint>) => Consul

  readonly kv: {
    readonly get: (
      key: string,
      options?: ReadOptions
    ) => Effect.Effect<Answer<Option.Option<KeyValue>>, ConsulError>
    /**
     * Reads one key as `list` reads many: the answer has its entry, or the key as malformed, or nothing. `get` fails with
     * `UnexpectedAnswer` for a malformed key.
     *
     * @since 0.5.0
     */
    readonly entry: (key: string, options?: ReadOptions) => Effect.Effect<Answer<KeyValues>, ConsulError>
    /** All entries whose keys begin with `prefix`, in the order of the keys' bytes. */
    readonly list: (prefix: string, options?: ReadOptions) => Effect.Effect<Answer<KeyValues>, ConsulError>
    /**
     * All entries whose keys begin with `prefix`, as soon as the index of the prefix is not `index` any more. None if it still
     * is when the wait is over: then the answer is not decoded.
     */
    readonly newer: (
      prefix: string,
      options: ReadOptions & { readonly index: number }
    ) => Effect.Effect<Answer<Option.Option<KeyValues>>, ConsulError>
    readonly keys: (
      prefix: string,
      options?: KeysOptions
    ) => Effect.Effect<Answer<ReadonlyArray<string>>, ConsulError>
    /**
     * Whether a key begins with `prefix`, with the index of the prefix. Names are not decoded. A `separator` makes Consul's
     * answer shorter, and does not change the index.
     */
    readonly moved: (prefix: string, options?: FoldOptions) => Effect.Effect<Answer<boolean>, ConsulError>
    /** Asks for keys by name: which exist, also if listings leave them out. Never stale. */
    readonly presence: (keys: ReadonlyArray<string>) => Effect.Effect<Presence, ConsulError>
    /**
     * Returns whether the key was written: false when the condition did not hold. `value` is made by `Value.fromText`,
     * `Value.fromBytes` or `Value.fromBase64`. Text that is not base64, from a program without types, is a defect.
     */
    readonly put: (
      entry: { readonly key: string; readonly value: Value; readonly flags?: bigint | undefined },
      condition?: PutCondition
    ) => Effect.Effect<boolean, ConsulError>
    /**
     * Whether a path can carry this key or prefix, as far as this endpoint's answers have shown. All other members accept every
     * name. For a name that a path cannot carry they cost more, and no query can block on exactly its keys.
     */
    readonly isNameable: (name: string) => boolean
    /** Returns whether the key does not exist any more: false if its modify index is not `cas`. */
    readonly delete: (
      key: string,
      condition?: { readonly cas: number }
    ) => Effect.Effect<boolean, ConsulError>
  }

  /** Applies all operations or none. Returns the entries of its writes and checks, without values, unless `results` is false. */
  readonly transaction: (
    operations: ReadonlyArray<Operation>,
    options?: TransactionOptions
  ) => Effect.Effect<ReadonlyArray<KeyValue>, ConsulError>

  readonly session: {
    readonly create: (options: SessionOptions) => Effect.Effect<string, ConsulError>
    /** None if the session does not exist any more. */
    readonly renew: (id: string) => Effect.Effect<Option.Option<SessionInfo>, ConsulError>
    readonly info: (
      id: string,
      options?: ReadOptions
    ) => Effect.Effect<Answer<Option.Option<SessionInfo>>, ConsulError>
    /** Ends a session, and releases its keys. Succeeds also if the session does not exist. */
    readonly destroy: (id: string) => Effect.Effect<void, ConsulError>
  }

  readonly agent: {
    readonly self: Effect.Effect<AgentSelf, ConsulError>
    readonly registerService: (service: ServiceOptions) => Effect.Effect<void, ConsulError>
    /** Succeeds also if the service does not exist. */
    readonly deregisterService: (id: string) => Effect.Effect<void, ConsulError>
    readonly updateCheck: (
      id: string,
      check: { readonly status: CheckStatus; readonly output: string }
    ) => Effect.Effect<void, ConsulError>
  }

  /**
   * The part of the catalog that shows which servers an endpoint asks.
   *
   * @since 0.5.0
   */
  readonly catalog: {
    /** Addresses of the servers that the datacenter's leader is elected among. Needs no right. */
    readonly peers: Effect.Effect<ReadonlyArray<string>, ConsulError>
    /** `nodeId` of a node by its name. None if there is no such node, or if the token may not read it. */
    readonly nodeId: (name: string) => Effect.Effect<Option.Option<string>, ConsulError>
  }
}
