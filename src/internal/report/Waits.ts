/**
 * What replication waits for, as data. A listener can end a wait that takes too long.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * `Trouble`: an attempt failed, and another one follows. `Turn`: another instance holds the lock, as it should while it
 * leads, or owns the status key; nothing is attempted until that instance gives it back. `Denied`: the servers answered that the token lacks a
 * right; another attempt follows, and fails until somebody grants that right.
 */
export type Kind = "Trouble" | "Turn" | "Denied"

export interface Listener {
  /**
   * Called after each attempt that failed, and when the lock is not free. `wait` tells waits apart, by identity; `what` is
   * one line for a person.
   */
  readonly waiting: (wait: object, kind: Kind, what: string) => Effect.Effect<void>
  /** Called after each attempt that succeeded, and when the lock is taken. */
  readonly over: (wait: object) => Effect.Effect<void>
}

const nobody: Listener = { waiting: () => Effect.void, over: () => Effect.void }

/** The listener; none unless given. */
export class Waits extends Context.Reference<Waits>()("consul-replicate/internal/Waits", {
  defaultValue: () => nobody
}) {}
