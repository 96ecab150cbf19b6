/** What is special about some keys, or about the answers of a source. */
import type { DeleteLimit } from "../../DeleteLimit.js"
import type { LastingFields, ReplicationFields } from "./Common.js"

/**
 * Deletes are held back: the source does not have the keys, and they are more than the limit allows. Emitted after each
 * pass while that is so.
 *
 * @since 0.5.0
 * @category keys
 */
export interface DeletesHeld extends ReplicationFields, LastingFields {
  readonly _tag: "DeletesHeld"
  /** All keys that are held, by their names at the destination. */
  readonly keys: ReadonlySet<string>
  /** How many keys the destination holds under its prefix. */
  readonly totalKeys: number
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
 * Why a key did not land.
 *
 * @since 0.5.0
 * @category models
 */
export interface RefusedKey {
  /** Its name at the destination; at the source, if it cannot be read there. */
  readonly key: string
  /** `KeyRefused`, `KeyLocked`, `KeyTooLarge`, or `KeyUnreadable` if the source has it and it cannot be copied. */
  readonly cause: string
  /** What the destination answered, or what is wrong with the key. */
  readonly message: string
}

/**
 * Keys do not land, and all others do. Emitted after each pass while that is so.
 *
 * @since 0.5.0
 * @category keys
 */
export interface WritesRefused extends ReplicationFields, LastingFields {
  readonly _tag: "WritesRefused"
  /** All of them, in the order of the keys. */
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
  /** Whether this event is the last of its kind, because there are so many such keys. */
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
 * Keys of the source are no valid UTF-8: Consul's HTTP interface cannot name them, so they are not copied. The names are
 * given as far as they can be.
 *
 * @since 0.5.0
 * @category keys
 */
export interface KeysNotUtf8 extends NamedOnce {
  readonly _tag: "KeysNotUtf8"
}

/**
 * The source has keys that it leaves out of its answers, because the token may not read them. They stay at the destination.
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
  readonly side: "source" | "destination"
  /** The prefix on that side. */
  readonly prefix: string
  /** All such keys. */
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
  /** Whether the token may read there. If that is not known, there may be keys that it may not read. */
  readonly isReadable: boolean
}

/**
 * The source answered without keys that a consistent read then had. The keys stay at the destination.
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
 * The source has said nothing about a part of the prefix for two minutes.
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
