/**
 * The replicated state of a datacenter, and the changes that a log entry makes to it.
 *
 * A `State` is immutable. A log entry changes a `Draft` of the state. The draft replaces the state only if the entry succeeds, so
 * that a failed transaction changes nothing.
 */
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Uuid from "../go/Uuid.js"

/** An entry of Consul's KV store. */
export interface Entry {
  readonly key: ByteString
  readonly value: Uint8Array
  /** An unsigned 64-bit number. */
  readonly flags: bigint
  /** The session that holds the lock, in the spelling of the request that acquired it. Empty without a lock. */
  readonly session: ByteString
  /** The number of times that the lock was acquired. A plain write sets it to 0, as in Consul. */
  readonly lockIndex: number
  readonly createIndex: number
  readonly modifyIndex: number
}

export interface Session {
  readonly id: ByteString
  readonly name: ByteString
  readonly node: ByteString
  /** The lock delay, in nanoseconds. */
  readonly lockDelay: bigint
  readonly behavior: "release" | "delete"
  /** A duration in Go's notation, as the request gave it. Empty without a TTL. */
  readonly ttl: ByteString
  readonly nodeChecks: ReadonlyArray<ByteString>
  readonly serviceChecks: ReadonlyArray<ServiceCheckRef> | undefined
  /** The checks in the field of older clients, as the request gave them. */
  readonly checks: ReadonlyArray<ByteString>
  readonly createIndex: number
  readonly modifyIndex: number
}

export interface ServiceCheckRef {
  readonly id: ByteString
  readonly namespace: ByteString
}

export interface Node {
  readonly id: ByteString
  readonly name: ByteString
  readonly address: ByteString
  readonly meta: ReadonlyMap<ByteString, ByteString>
  readonly taggedAddresses: ReadonlyMap<ByteString, ByteString>
  readonly createIndex: number
  readonly modifyIndex: number
}

export interface Service {
  readonly node: ByteString
  readonly id: ByteString
  readonly name: ByteString
  readonly tags: ReadonlyArray<ByteString>
  readonly address: ByteString
  readonly port: number
  readonly meta: ReadonlyMap<ByteString, ByteString> | undefined
  readonly weights: { readonly passing: number; readonly warning: number }
  readonly enableTagOverride: boolean
  readonly createIndex: number
  readonly modifyIndex: number
}

export type Status = "passing" | "warning" | "critical"

export interface Check {
  readonly node: ByteString
  readonly id: ByteString
  readonly name: ByteString
  readonly status: Status
  readonly notes: ByteString
  readonly output: ByteString
  /** Empty for a check of the node. */
  readonly serviceId: ByteString
  readonly serviceName: ByteString
  readonly serviceTags: ReadonlyArray<ByteString>
  readonly type: ByteString
  readonly createIndex: number
  readonly modifyIndex: number
}

/** A table of the state, as a name in `State.indexes`. */
export type Table = "kvs" | "tombstones" | "sessions" | "nodes" | "services" | "checks" | "extinction"

export interface State {
  /** The index of the last log entry, also if the entry changed nothing. */
  readonly index: number
  /** The index of the last change of each table, and of each service (`service.` and its name). */
  readonly indexes: ReadonlyMap<string, number>
  /** The entries by key. */
  readonly kv: OrderedMap.OrderedMap<Entry>
  /** Tombstones by key or prefix. They keep the index of a prefix from going back when its newest key is deleted. */
  readonly tombstones: OrderedMap.OrderedMap<Tombstone>
  /** The sessions by canonical id. */
  readonly sessions: OrderedMap.OrderedMap<Session>
  /** The locked keys, by the canonical id of the session, a NUL, and the key. */
  readonly held: OrderedMap.OrderedMap<ByteString>
  /**
   * The time at which the lock delay of each key ends, in ms of the servers' clock. Lock delays are not in the log: Consul keeps
   * them in the leader's memory, and a restored state has none.
   */
  readonly lockDelays: ReadonlyMap<ByteString, number>
  /** The nodes by lower-case name. */
  readonly nodes: OrderedMap.OrderedMap<Node>
  /** The services by lower-case node name, a NUL, and lower-case id. */
  readonly services: OrderedMap.OrderedMap<Service>
  /** The checks by lower-case node name, a NUL, and lower-case id. */
  readonly checks: OrderedMap.OrderedMap<Check>
}

export interface Tombstone {
  /** The deleted key or prefix. */
  readonly key: ByteString
  /** The index of the delete. */
  readonly index: number
}

export const empty: State = {
  index: 0,
  indexes: new Map(),
  kv: OrderedMap.empty(),
  tombstones: OrderedMap.empty(),
  sessions: OrderedMap.empty(),
  held: OrderedMap.empty(),
  lockDelays: new Map(),
  nodes: OrderedMap.empty(),
  services: OrderedMap.empty(),
  checks: OrderedMap.empty()
}

/** The key of a service or check in the tables of the state. Without `id`, the prefix of all services or checks of the node. */
export const nodeKey = (node: ByteString, id = ""): ByteString => `${node.toLowerCase()}\0${id.toLowerCase()}`

// -----------------------------------------------------------------------------
// Drafts
// -----------------------------------------------------------------------------

/** A state while a log entry changes it. */
export interface Draft {
  /** The index of the log entry. */
  readonly index: number
  /** The time of the servers' clock in ms, for lock delays. */
  readonly now: number
  /** The state with all changes of the log entry until now. */
  state: State
  /** For each key that the log entry wrote, the entry before the first write. */
  readonly written: Map<ByteString, Entry | undefined>
  /** The sessions that the log entry ended. */
  readonly ended: Array<Session>
}

export const draft = (state: State, index: number, now: number): Draft => ({
  index,
  now,
  state: { ...state, index },
  written: new Map(),
  ended: []
})

/** Sets the indexes of tables (or of `service.<name>`) to that of the log entry. */
export const touch = (self: Draft, ...tables: ReadonlyArray<Table | `service.${string}`>): void => {
  const indexes = new Map(self.state.indexes)
  for (const table of tables) indexes.set(table, self.index)
  self.state = { ...self.state, indexes }
}

export const indexOf = (self: State, ...tables: ReadonlyArray<Table>): number =>
  Math.max(...tables.map((table) => self.indexes.get(table) ?? 0))

const heldKey = (session: ByteString, key: ByteString) => `${Uuid.canonical(session)}\0${key}`

/** The keys that a session has locked, in order. */
export const heldBy = (self: State, session: ByteString): ReadonlyArray<ByteString> =>
  OrderedMap.withPrefix(self.held, heldKey(session, ""))

const write = (self: Draft, key: ByteString, after: Entry | undefined): void => {
  const before = OrderedMap.get(self.state.kv, key)
  if (!self.written.has(key)) self.written.set(key, before)
  const kv =
    after === undefined ? OrderedMap.remove(self.state.kv, key) : OrderedMap.set(self.state.kv, key, after)
  let held = self.state.held
  if (before !== undefined && before.session !== "")
    held = OrderedMap.remove(held, heldKey(before.session, key))
  if (after !== undefined && after.session !== "")
    held = OrderedMap.set(held, heldKey(after.session, key), key)
  self.state = { ...self.state, kv, held }
  touch(self, "kvs")
}

const bury = (self: Draft, key: ByteString): void => {
  const tombstones = OrderedMap.set(self.state.tombstones, key, { key, index: self.index })
  self.state = { ...self.state, tombstones }
  touch(self, "tombstones")
}

// -----------------------------------------------------------------------------
// Keys
// -----------------------------------------------------------------------------

/**
 * The values under a prefix. Consul's table ends each key with a NUL. Therefore a prefix that ends with a NUL also matches the key
 * that is the rest of the prefix.
 */
export const under = <V>(table: OrderedMap.OrderedMap<V>, prefix: ByteString): ReadonlyArray<V> => {
  const key = prefix.endsWith("\0") ? OrderedMap.get(table, prefix.slice(0, -1)) : undefined
  const below = OrderedMap.withPrefix(table, prefix)
  return key === undefined ? below : [key, ...below]
}

/** The fields of an entry that a write sets. */
export type Write = Pick<Entry, "key" | "value" | "flags">

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Stores an entry. An equal entry changes nothing, not even the ModifyIndex. */
const put = (self: Draft, given: Write, session: ByteString, lockIndex: number): Entry => {
  const before = OrderedMap.get(self.state.kv, given.key)
  const same =
    before !== undefined &&
    before.session === session &&
    before.lockIndex === lockIndex &&
    before.flags === given.flags &&
    sameBytes(before.value, given.value)
  if (same) return before
  const { key, value, flags } = given
  const createIndex = before?.createIndex ?? self.index
  const after = { key, value, flags, session, lockIndex, createIndex, modifyIndex: self.index }
  write(self, key, after)
  return after
}

/** Sets a key. Keeps the session of a locked key, and resets its `lockIndex`. */
export const set = (self: Draft, given: Write): Entry =>
  put(self, given, OrderedMap.get(self.state.kv, given.key)?.session ?? "", 0)

/** Sets a key if its ModifyIndex is `index`; with 0, if the key does not exist. `undefined` if the key was not set. */
export const cas = (self: Draft, given: Write, index: bigint): Entry | undefined => {
  const before = OrderedMap.get(self.state.kv, given.key)
  return index === BigInt(before?.modifyIndex ?? 0) ? set(self, given) : undefined
}

/** Acquires a lock for a session. The caller has checked that the session exists. `undefined` if another session has the lock. */
export const lock = (self: Draft, given: Write, session: ByteString): Entry | undefined => {
  const before = OrderedMap.get(self.state.kv, given.key)
  if (before === undefined) return put(self, given, session, 1)
  if (before.session === session) return put(self, given, session, before.lockIndex)
  return before.session === "" ? put(self, given, session, before.lockIndex + 1) : undefined
}

/** Writes a key and releases its lock. `undefined` if the session does not have the lock. */
export const unlock = (self: Draft, given: Write, session: ByteString): Entry | undefined => {
  const before = OrderedMap.get(self.state.kv, given.key)
  return before?.session === session ? put(self, given, "", before.lockIndex) : undefined
}

/** Releases the lock of a key when its session ends. The value and `lockIndex` stay. */
export const release = (self: Draft, key: ByteString): void => {
  const before = OrderedMap.get(self.state.kv, key)
  if (before !== undefined) put(self, before, "", before.lockIndex)
}

export const remove = (self: Draft, key: ByteString): void => {
  if (!OrderedMap.has(self.state.kv, key)) return
  bury(self, key)
  write(self, key, undefined)
}

/** Deletes a key if its ModifyIndex is `index`. Returns whether the key does not exist afterwards. */
export const removeCas = (self: Draft, key: ByteString, index: bigint): boolean => {
  const before = OrderedMap.get(self.state.kv, key)
  if (before === undefined) return true
  if (BigInt(before.modifyIndex) !== index) return false
  remove(self, key)
  return true
}

/** Deletes all keys under a prefix, with one tombstone. The whole store needs none, because its index is that of the table. */
export const removePrefix = (self: Draft, prefix: ByteString): void => {
  const entries = under(self.state.kv, prefix)
  if (entries.length === 0) return
  if (prefix !== "") bury(self, prefix)
  for (const entry of entries) write(self, entry.key, undefined)
}

/** Removes the tombstones up to an index. */
export const reap = (self: Draft, index: number): void => {
  const remaining = OrderedMap.values(self.state.tombstones).filter((tombstone) => tombstone.index > index)
  const tombstones = OrderedMap.fromEntries(remaining.map((tombstone) => [tombstone.key, tombstone] as const))
  self.state = { ...self.state, tombstones }
}

// -----------------------------------------------------------------------------
// Reading keys
// -----------------------------------------------------------------------------

/** The answer to a read of keys. */
export interface Entries {
  /** The `X-Consul-Index` of the answer. 0 if the store never had a key. */
  readonly index: number
  readonly value: ReadonlyArray<Entry>
}

const storeIndex = (self: State) => indexOf(self, "kvs", "tombstones")

/** Reads a key. The index is the ModifyIndex of the key, or the index of the store if the key does not exist. */
export const get = (self: State, key: ByteString): Entries => {
  const entry = OrderedMap.get(self.kv, key)
  return entry === undefined
    ? { index: storeIndex(self), value: [] }
    : { index: entry.modifyIndex, value: [entry] }
}

/**
 * Reads a prefix. The index is the highest among the keys and tombstones under the prefix. Without any, and for the whole store, it
 * is the index of the store.
 */
export const list = (self: State, prefix: ByteString): Entries => {
  const entries = under(self.kv, prefix)
  if (prefix === "") return { index: storeIndex(self), value: entries }
  let index = 0
  for (const entry of entries) if (entry.modifyIndex > index) index = entry.modifyIndex
  for (const tombstone of under(self.tombstones, prefix)) {
    if (tombstone.index > index) index = tombstone.index
  }
  return { index: index === 0 ? storeIndex(self) : index, value: entries }
}
