/**
 * The log entries of a datacenter. Every change of its state is an entry, which is applied whole or not at all.
 */
import * as Either from "effect/Either"
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Catalog from "./Catalog.js"
import * as Sessions from "./Sessions.js"
import * as Store from "./Store.js"
import * as Txn from "./Txn.js"

/**
 * A log entry.
 *
 * @since 0.1.0
 * @category models
 */
export type Command =
  | { readonly _tag: "Set"; readonly write: Store.Write }
  | { readonly _tag: "Cas"; readonly write: Store.Write; readonly index: bigint }
  | { readonly _tag: "Lock"; readonly write: Store.Write; readonly session: ByteString }
  | { readonly _tag: "Unlock"; readonly write: Store.Write; readonly session: ByteString }
  | { readonly _tag: "Delete"; readonly key: ByteString }
  | { readonly _tag: "DeleteCas"; readonly key: ByteString; readonly index: bigint }
  | { readonly _tag: "DeleteTree"; readonly prefix: ByteString }
  | { readonly _tag: "Txn"; readonly operations: ReadonlyArray<Txn.Operation> }
  | { readonly _tag: "SessionCreate"; readonly session: Sessions.NewSession }
  | { readonly _tag: "SessionDestroy"; readonly id: ByteString }
  | { readonly _tag: "Register"; readonly registration: Catalog.Registration }
  | { readonly _tag: "DeregisterService"; readonly node: ByteString; readonly id: ByteString }
  | { readonly _tag: "DeregisterCheck"; readonly node: ByteString; readonly id: ByteString }
  | { readonly _tag: "ReapTombstones"; readonly index: number }

/** The servers' reply to an entry. */
export type Reply =
  /** `done` is `false` if another session has the lock, or if the index is stale. */
  | { readonly _tag: "Done"; readonly done: boolean }
  | Txn.Outcome
  | { readonly _tag: "Error"; readonly message: ByteString }

/** The result of an entry. */
export interface Applied {
  /** The state after the entry. */
  readonly state: Store.State
  /** The reply to the entry. */
  readonly reply: Reply
  /** The keys that changed, in the order of their first write. */
  readonly changes: ReadonlyArray<KeyChange>
  /** The sessions that the entry ended, itself or with a check. */
  readonly ended: ReadonlyArray<Store.Session>
}

/**
 * The change of one key by one log entry.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyChange {
  readonly key: ByteString
  /** Absent for a new key. */
  readonly before: Store.Entry | undefined
  /** Absent for a deleted key. */
  readonly after: Store.Entry | undefined
}

/** Applies an entry as the next one of the log. `now` is the time of the servers' clock in ms, for lock delays. */
export const apply = (state: Store.State, command: Command, now: number): Applied => {
  const draft = Store.draft(state, state.index + 1, now)
  const reply = run(draft, command)
  if (reply._tag === "Error" || reply._tag === "Failures")
    return { state: { ...state, index: draft.index }, reply, changes: [], ended: [] }
  const after = draft.state
  const changes = Array.from(draft.written, ([key, before]) => ({
    key,
    before,
    after: OrderedMap.get(after.kv, key)
  }))
  return {
    state: after,
    reply,
    changes: changes.filter((change) => change.before !== change.after),
    ended: draft.ended
  }
}

const done = (done: boolean): Reply => ({ _tag: "Done", done })

const attempted: (outcome: Either.Either<unknown, ByteString>) => Reply = Either.match({
  onLeft: (message): Reply => ({ _tag: "Error", message }),
  onRight: (outcome) => done(outcome !== false)
})

const run = (draft: Store.Draft, command: Command): Reply => {
  switch (command._tag) {
    case "Set":
      Store.set(draft, command.write)
      return done(true)
    case "Cas":
      return done(Store.cas(draft, command.write, command.index) !== undefined)
    case "Lock": {
      const { write, session } = command
      const acquirer = Txn.acquirer(draft.state, session)
      return attempted(Either.map(acquirer, () => Store.lock(draft, write, session) !== undefined))
    }
    case "Unlock":
      return command.session === ""
        ? { _tag: "Error", message: "missing session" }
        : done(Store.unlock(draft, command.write, command.session) !== undefined)
    case "Delete":
      Store.remove(draft, command.key)
      return done(true)
    case "DeleteCas":
      return done(Store.removeCas(draft, command.key, command.index))
    case "DeleteTree":
      Store.removePrefix(draft, command.prefix)
      return done(true)
    case "Txn":
      return Txn.run(draft, command.operations)
    case "SessionCreate":
      return attempted(Sessions.create(draft, command.session))
    case "SessionDestroy":
      return attempted(Sessions.destroy(draft, command.id))
    case "Register":
      return attempted(Catalog.register(draft, command.registration))
    case "DeregisterService":
      Catalog.deregisterService(draft, command.node, command.id)
      return done(true)
    case "DeregisterCheck":
      Catalog.deregisterCheck(draft, command.node, command.id)
      return done(true)
    case "ReapTombstones":
      Store.reap(draft, command.index)
      return done(true)
  }
}
