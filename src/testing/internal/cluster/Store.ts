/**
 * The state that a datacenter's servers agree on, and the changes that one Raft log entry makes to it.
 *
 * A `State` is a value. An entry is applied to a `Draft` of it, which also remembers what was there before; whether
 * the draft replaces the state is decided at the end, so that a failed transaction leaves nothing behind.
 */
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Uuid from "../go/Uuid.js"

/** A key as Consul keeps it. */
export interface Entry {
  readonly key: ByteString
  readonly value: Uint8Array
  /** An unsigned 64-bit number. */
  readonly flags: bigint
  /** The session that holds the lock, as it was written by the one who acquired it; empty without one. */
  readonly session: ByteString
  /** How often the lock was acquired. A plain write sets it back to 0, as in Consul. */
  readonly lockIndex: number
  readonly createIndex: number
  readonly modifyIndex: number
}

export interface Session {
  readonly id: ByteString
  readonly name: ByteString
  readonly node: ByteString
  /** Nanoseconds. */
  readonly lockDelay: bigint
  readonly behavior: "release" | "delete"
  /** Go's notation, as given; empty without one. */
  readonly ttl: ByteString
  readonly nodeChecks: ReadonlyArray<ByteString>
  readonly serviceChecks: ReadonlyArray<ServiceCheckRef> | undefined
  /** The field of older clients, shown as it was given. */
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

/** What one name in `State.indexes` stands for: a table, or `service.` and a service's name. */
export type Table = "kvs" | "tombstones" | "sessions" | "nodes" | "services" | "checks" | "extinction"

export interface State {
  /** The index of the last log entry, whether or not it changed anything. */
  readonly index: number
  /** The index at which each table, and each service, last changed. */
  readonly indexes: ReadonlyMap<string, number>
  readonly kv: OrderedMap.OrderedMap<Entry>
  /** Deleted keys and prefixes, so that a prefix's index doesn't slide back when its newest key goes. */
  readonly tombstones: OrderedMap.OrderedMap<Tombstone>
  /** By canonical id. */
  readonly sessions: OrderedMap.OrderedMap<Session>
  /** The keys that a session holds, by canonical id, a NUL, and the key. */
  readonly held: OrderedMap.OrderedMap<ByteString>
  /**
   * Until when (milliseconds of the servers' clock) a key cannot be acquired. Not part of the log: Consul keeps it in
   * the leader's memory, and a restored state has none.
   */
  readonly lockDelays: ReadonlyMap<ByteString, number>
  /** By lower-case name. */
  readonly nodes: OrderedMap.OrderedMap<Node>
  /** By lower-case node name, a NUL, and lower-case id. */
  readonly services: OrderedMap.OrderedMap<Service>
  /** By lower-case node name, a NUL, and lower-case id. */
  readonly checks: OrderedMap.OrderedMap<Check>
}

export interface Tombstone {
  readonly key: ByteString
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

/** The key under which a node's service or check is kept. */
export const nodeKey = (node: ByteString, id = ""): ByteString => `${node.toLowerCase()}\0${id.toLowerCase()}`

// -----------------------------------------------------------------------------
// Drafts
// -----------------------------------------------------------------------------

/** A state under change by the log entry of this index. */
export interface Draft {
  readonly index: number
  /** Milliseconds of the servers' clock, from which lock delays count. */
  readonly now: number
  state: State
  /** What was under each key written so far, before the first write. */
  readonly written: Map<ByteString, Entry | undefined>
  /** The sessions that this entry ended. */
  readonly ended: Array<Session>
}

export const draft = (state: State, index: number, now: number): Draft => ({
  index,
  now,
  state: { ...state, index },
  written: new Map(),
  ended: []
})

/** Marks tables (or `service.<name>`) as changed by this entry. */
export const touch = (self: Draft, ...tables: ReadonlyArray<Table | `service.${string}`>): void => {
  const indexes = new Map(self.state.indexes)
  for (const table of tables) indexes.set(table, self.index)
  self.state = { ...self.state, indexes }
}

export const indexOf = (self: State, ...tables: ReadonlyArray<Table>): number =>
  Math.max(...tables.map((table) => self.indexes.get(table) ?? 0))

const heldKey = (session: ByteString, key: ByteString) => `${Uuid.canonical(session)}\0${key}`

/** The keys that a session holds, in order. */
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
 * What is under a prefix. Consul's table ends each key with a NUL, so a prefix that ends in one is that of the key
 * before it, too.
 */
export const under = <V>(table: OrderedMap.OrderedMap<V>, prefix: ByteString): ReadonlyArray<V> => {
  const key = prefix.endsWith("\0") ? OrderedMap.get(table, prefix.slice(0, -1)) : undefined
  const below = OrderedMap.withPrefix(table, prefix)
  return key === undefined ? below : [key, ...below]
}

/** What a write gives; the rest follows from what is there. */
export type Write = Pick<Entry, "key" | "value" | "flags">

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Stores an entry unless it says what is there already: then nothing changes, not even its ModifyIndex. */
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

/** Keeps the session of a locked key, and forgets how often it was locked. */
export const set = (self: Draft, given: Write): Entry =>
  put(self, given, OrderedMap.get(self.state.kv, given.key)?.session ?? "", 0)

/** Sets the key if its ModifyIndex is this one, 0 standing for no key. */
export const cas = (self: Draft, given: Write, index: bigint): Entry | undefined => {
  const before = OrderedMap.get(self.state.kv, given.key)
  return index === BigInt(before?.modifyIndex ?? 0) ? set(self, given) : undefined
}

/** Acquires the lock for a session which the caller has found to exist. `undefined` if another has it. */
export const lock = (self: Draft, given: Write, session: ByteString): Entry | undefined => {
  const before = OrderedMap.get(self.state.kv, given.key)
  if (before === undefined) return put(self, given, session, 1)
  if (before.session === session) return put(self, given, session, before.lockIndex)
  return before.session === "" ? put(self, given, session, before.lockIndex + 1) : undefined
}

/** Gives the lock back, writing the value given with it. `undefined` if the session doesn't have it. */
export const unlock = (self: Draft, given: Write, session: ByteString): Entry | undefined => {
  const before = OrderedMap.get(self.state.kv, given.key)
  return before?.session === session ? put(self, given, "", before.lockIndex) : undefined
}

/** Takes the session off a key, as the end of the session does: value and count of locks stay. */
export const release = (self: Draft, key: ByteString): void => {
  const before = OrderedMap.get(self.state.kv, key)
  if (before !== undefined) put(self, before, "", before.lockIndex)
}

export const remove = (self: Draft, key: ByteString): void => {
  if (!OrderedMap.has(self.state.kv, key)) return
  bury(self, key)
  write(self, key, undefined)
}

/** Whether the key is gone afterwards: an absent key is, whatever the index. */
export const removeCas = (self: Draft, key: ByteString, index: bigint): boolean => {
  const before = OrderedMap.get(self.state.kv, key)
  if (before === undefined) return true
  if (BigInt(before.modifyIndex) !== index) return false
  remove(self, key)
  return true
}

/**
 * Deletes a prefix. One tombstone stands for all of it, and none for the whole store, whose index is the table's.
 */
export const removePrefix = (self: Draft, prefix: ByteString): void => {
  const entries = under(self.state.kv, prefix)
  if (entries.length === 0) return
  if (prefix !== "") bury(self, prefix)
  for (const entry of entries) write(self, entry.key, undefined)
}

/** Drops tombstones up to an index, so that they don't pile up. */
export const reap = (self: Draft, index: number): void => {
  const kept = OrderedMap.values(self.state.tombstones).filter((tombstone) => tombstone.index > index)
  const tombstones = OrderedMap.fromEntries(kept.map((tombstone) => [tombstone.key, tombstone] as const))
  self.state = { ...self.state, tombstones }
}

// -----------------------------------------------------------------------------
// Reading keys
// -----------------------------------------------------------------------------

/** Entries and the `X-Consul-Index` that goes with them (0 for a store without a key ever). */
export interface Found {
  readonly index: number
  readonly value: ReadonlyArray<Entry>
}

const storeIndex = (self: State) => indexOf(self, "kvs", "tombstones")

/** A key with its own ModifyIndex, or nothing with the store's index. */
export const get = (self: State, key: ByteString): Found => {
  const entry = OrderedMap.get(self.kv, key)
  return entry === undefined
    ? { index: storeIndex(self), value: [] }
    : { index: entry.modifyIndex, value: [entry] }
}

/**
 * A prefix with the newest index among its keys and tombstones; the store's where it has neither, and for the whole
 * store.
 */
export const list = (self: State, prefix: ByteString): Found => {
  const entries = under(self.kv, prefix)
  if (prefix === "") return { index: storeIndex(self), value: entries }
  let index = 0
  for (const entry of entries) if (entry.modifyIndex > index) index = entry.modifyIndex
  for (const tombstone of under(self.tombstones, prefix)) {
    if (tombstone.index > index) index = tombstone.index
  }
  return { index: index === 0 ? storeIndex(self) : index, value: entries }
}
