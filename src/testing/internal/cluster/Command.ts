/**
 * Log entries: every change of a datacenter's state is one of these, applied whole or not at all.
 */
import * as Either from "effect/Either"
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Catalog from "./Catalog.js"
import * as Sessions from "./Sessions.js"
import * as Store from "./Store.js"
import * as Txn from "./Txn.js"

/**
 * What was asked of the servers.
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

/** What an entry answers. */
export type Reply =
  /** Whether it was done: a lock may be another's, an index stale. */
  | { readonly _tag: "Done"; readonly done: boolean }
  | Txn.Outcome
  | { readonly _tag: "Error"; readonly message: ByteString }

/** The state after an entry, what it answers, and what it did. */
export interface Applied {
  readonly state: Store.State
  readonly reply: Reply
  /** The keys that are not what they were, in the order of their first write. */
  readonly changes: ReadonlyArray<KeyChange>
  /** The sessions that ended, by destruction or with a check. */
  readonly ended: ReadonlyArray<Store.Session>
}

/**
 * One key's change within one log entry: `before` is absent for a new key, `after` for a deleted one.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyChange {
  readonly key: ByteString
  readonly before: Store.Entry | undefined
  readonly after: Store.Entry | undefined
}

/**
 * Applies an entry as the next one of the log. `now` is the servers' clock in milliseconds, from which lock delays
 * count.
 */
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
