/** Events about some of the keys, or about the answers of a source. */
import type { DeleteLimit } from "../../DeleteLimit.js"
import type { LastingFields, ReplicationFields } from "./Common.js"

/**
 * Deletes are held back: the source does not have these keys, and the limit allows fewer deletes. Emitted after each pass while
 * deletes are held back.
 *
 * @since 0.5.0
 * @category keys
 */
export interface DeletesHeld extends ReplicationFields, LastingFields {
  readonly _tag: "DeletesHeld"
  /** All keys whose deletes are held back, by their names at the destination. */
  readonly keys: ReadonlySet<string>
  /** How many keys the destination has under its prefix. */
  readonly totalKeys: number
  /** The limit that holds the deletes back. */
  readonly limit: DeleteLimit
}

/**
 * No deletes are held back any more: they were allowed, or the source has the keys again.
 *
 * @since 0.5.0
 * @category keys
 */
export interface DeletesAllowed extends ReplicationFields {
  readonly _tag: "DeletesAllowed"
  /** How long deletes were held back: ms. */
  readonly lasted: number
}

/**
 * A key that did not land, and why.
 *
 * @since 0.5.0
 * @category models
 */
export interface RefusedKey {
  /** The name of the key at the destination, or at the source if the key cannot be read there. */
  readonly key: string
  /** `KeyRefused`, `KeyLocked`, `KeyTooLarge`, or `KeyUnreadable` if the key cannot be read at the source. */
  readonly cause: string
  /** The answer of the destination, or the fault of the key. */
  readonly message: string
}

/**
 * Some keys do not land; all others do. Emitted after each pass while a key is refused.
 *
 * @since 0.5.0
 * @category keys
 */
export interface WritesRefused extends ReplicationFields, LastingFields {
  readonly _tag: "WritesRefused"
  /** All refused keys, in the order of their names. */
  readonly refusals: ReadonlyArray<RefusedKey>
}

/**
 * No key is refused any more.
 *
 * @since 0.5.0
 * @category keys
 */
export interface WritesAccepted extends ReplicationFields {
  readonly _tag: "WritesAccepted"
  /** How long keys were refused: ms. */
  readonly lasted: number
}

/** Fields of events that name keys of the source once. */
interface NamedOnce extends ReplicationFields {
  /** The keys that no earlier event has named, by their names at the source. */
  readonly keys: ReadonlyArray<string>
  /** Whether no further event names such keys, because there are too many. */
  readonly isLast: boolean
}

/**
 * Keys of the source are locked by a session there: their values are copied, the locks are not.
 *
 * @since 0.5.0
 * @category keys
 */
export interface LocksNotCopied extends NamedOnce {
  readonly _tag: "LocksNotCopied"
}

/**
 * Keys of the source are not valid UTF-8: Consul's HTTP interface cannot name them, so they are not copied. In `keys`, U+FFFD
 * stands for bytes that are not valid.
 *
 * @since 0.5.0
 * @category keys
 */
export interface KeysNotUtf8 extends NamedOnce {
  readonly _tag: "KeysNotUtf8"
}

/**
 * The source leaves keys out of its answers, because the token may not read them. These keys stay at the destination.
 *
 * @since 0.5.0
 * @category keys
 */
export interface KeysHidden extends NamedOnce {
  readonly _tag: "KeysHidden"
}

/**
 * The prefix does not end with a slash, and matches keys whose names go on after it.
 *
 * @since 0.5.0
 * @category keys
 */
export interface SiblingsMatched extends ReplicationFields {
  readonly _tag: "SiblingsMatched"
  /** The side whose prefix it is. */
  readonly side: "source" | "destination"
  /** The prefix on that side. */
  readonly prefix: string
  /** All keys whose names go on after the prefix without a slash. */
  readonly keys: ReadonlyArray<string>
}

/**
 * The source has no keys under the prefix.
 *
 * @since 0.5.0
 * @category source
 */
export interface SourceEmpty extends ReplicationFields {
  readonly _tag: "SourceEmpty"
  /** Whether the token may certainly read keys there. If not, the source may have keys that the token may not read. */
  readonly isReadable: boolean
}

/**
 * An answer of the source lacked keys that a later consistent read had. The keys stay at the destination.
 *
 * @since 0.5.0
 * @category source
 */
export interface AnswersWrong extends ReplicationFields, LastingFields {
  readonly _tag: "AnswersWrong"
  /** How many keys the latest wrong answer lacked. */
  readonly keys: number
}

/**
 * The source's answers agree with consistent reads again.
 *
 * @since 0.5.0
 * @category source
 */
export interface AnswersRight extends ReplicationFields {
  readonly _tag: "AnswersRight"
  /** For how long answers were wrong: ms. */
  readonly lasted: number
}

/**
 * The source has not answered about a part of the prefix for two minutes.
 *
 * @since 0.5.0
 * @category source
 */
export interface SourceSilent extends ReplicationFields {
  readonly _tag: "SourceSilent"
  /** After how long a source counts as silent: ms. */
  readonly limit: number
}

/**
 * The source answers again about every part of the prefix.
 *
 * @since 0.5.0
 * @category source
 */
export interface SourceHeard extends ReplicationFields {
  readonly _tag: "SourceHeard"
}

/**
 * @since 0.5.0
 * @category models
 */
export type KeyEvent =
  | DeletesHeld
  | DeletesAllowed
  | WritesRefused
  | WritesAccepted
  | LocksNotCopied
  | KeysNotUtf8
  | KeysHidden
  | SiblingsMatched
  | SourceEmpty
  | AnswersWrong
  | AnswersRight
  | SourceSilent
  | SourceHeard
