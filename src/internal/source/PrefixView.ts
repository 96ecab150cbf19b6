/** The contents of a prefix, and the changes of its keys, made from the events of a watch. */
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as KeyRange from "../../KeyRange.js"
import type { KeyValue } from "../../KeyValue.js"
import { DestinationIndex, fingerprint } from "../plan/DestinationIndex.js"
import { type CaughtUp, type Contents, KeyChange, type Snapshot, type WatchEvent } from "./WatchEvent.js"

/** A fingerprint of an entry. Another write has another index, unless the datacenter was restored in between. */
const printOf = ({ flags, modifyIndex, value }: KeyValue): string =>
  `${modifyIndex} ${fingerprint(value, flags)}`

/** The first character of the print of a malformed key. The print of its last readable entry follows, if there was one. */
const malformed = "?"

/** The keys of a prefix with their fingerprints. Mutable, for one stream. It needs about 100 bytes for each key in addition to its name. */
export class PrefixView {
  private readonly index = new DestinationIndex<string>()
  private readonly whole: KeyRange.KeyRange
  /** The `modifyIndex` of each key that was written since the last `CaughtUp`. */
  private readonly recent = new Map<string, number>()

  constructor(prefix: string) {
    this.whole = KeyRange.under(prefix)
  }

  /** Whether all keys of the prefix were read when this event was emitted. */
  completes(event: WatchEvent): boolean {
    return event._tag === "CaughtUp" || KeyRange.equals(event.range, this.whole)
  }

  /** The changes that an event shows, in the order of the keys; deletes come last. */
  apply(event: WatchEvent): ReadonlyArray<KeyChange> {
    return event._tag === "CaughtUp" ? this.catchUp(event) : this.read(event)
  }

  /** All keys, in order. */
  keys(): Iterable<string> {
    return this.index.keys()
  }

  private read({ entries, index, malformed: unreadable, range }: Snapshot): ReadonlyArray<KeyChange> {
    if (KeyRange.equals(range, this.whole)) this.recent.clear()
    const changes: Array<KeyChange> = []
    const present: Array<string> = []
    for (const entry of entries) {
      const { key, modifyIndex } = entry
      present.push(key)
      const print = printOf(entry)
      if (this.index.get(key) === print) continue
      this.index.set(key, print)
      this.recent.set(key, modifyIndex)
      changes.push(KeyChange.Written({ key, entry }))
    }
    for (const { key } of unreadable) {
      present.push(key)
      const print = this.index.get(key) ?? ""
      if (!print.startsWith(malformed)) this.index.set(key, malformed + print)
    }
    this.remove(this.index.absent(range, present), index, changes)
    return changes
  }

  /** After a change of layout, a deleted key may have been in a range that is no longer read. */
  private catchUp({ index, layoutChanged, names }: CaughtUp): ReadonlyArray<KeyChange> {
    const changes: Array<KeyChange> = []
    if (layoutChanged) {
      // The names are older than a shard's latest snapshot: a key can be newer than the names.
      const missing = this.index.absent(this.whole, names)
      this.remove(
        missing.filter((key) => (this.recent.get(key) ?? 0) <= index),
        index,
        changes
      )
    }
    this.recent.clear()
    return changes
  }

  private remove(keys: ReadonlyArray<string>, index: number, changes: Array<KeyChange>): void {
    for (const key of keys) {
      const wasWritten = this.index.get(key) !== malformed
      this.index.delete(key)
      this.recent.delete(key)
      if (wasWritten) changes.push(KeyChange.Deleted({ key, index }))
    }
  }
}

/** The keys of a prefix with their entries. Mutable, for one stream. */
export class ContentsView {
  private readonly view: PrefixView
  private readonly entries = new Map<string, KeyValue>()
  private readonly malformed = new Map<string, string>()
  private readonly invalidUtf8Keys = new Set<string>()
  private isEmitted = false

  constructor(prefix: string) {
    this.view = new PrefixView(prefix)
  }

  /** The contents after the last event that completes them. None if no event does, or if they are the same as before. */
  apply(events: ReadonlyArray<WatchEvent>): Contents | undefined {
    const last = events.findLastIndex((event) => this.view.completes(event))
    let contents: Contents | undefined
    for (const [at, event] of events.entries()) {
      this.add(event)
      if (at === last && !this.isEmitted) {
        this.isEmitted = true
        contents = this.contents(event.index)
      }
    }
    return contents
  }

  private add(event: WatchEvent): void {
    for (const change of this.view.apply(event)) {
      this.isEmitted = false
      if (change._tag === "Deleted") this.entries.delete(change.key)
      else this.entries.set(change.key, change.entry)
    }
    if (event._tag === "Snapshot") this.addUnreadable(event)
    else {
      const names = this.malformed.size === 0 ? undefined : new Set(event.names)
      for (const key of this.malformed.keys()) if (names?.has(key) === false) this.malformed.delete(key)
    }
  }

  /** Records the keys of a snapshot that exist and cannot be copied. */
  private addUnreadable({ invalidUtf8Keys, malformed, range }: Snapshot): void {
    const before = JSON.stringify([[...this.malformed], [...this.invalidUtf8Keys]])
    const isInRange = (key: string) => KeyRange.contains(range, key)
    for (const key of [...this.malformed.keys()].filter(isInRange)) this.malformed.delete(key)
    for (const key of [...this.invalidUtf8Keys].filter(isInRange)) this.invalidUtf8Keys.delete(key)
    for (const { key, reason } of malformed) {
      this.entries.delete(key)
      this.malformed.set(key, reason)
    }
    for (const key of invalidUtf8Keys) this.invalidUtf8Keys.add(key)
    if (JSON.stringify([[...this.malformed], [...this.invalidUtf8Keys]]) !== before) this.isEmitted = false
  }

  private contents(index: number): Contents {
    const entries: Array<KeyValue> = []
    for (const key of this.view.keys()) {
      const entry = this.entries.get(key)
      if (entry !== undefined) entries.push(entry)
    }
    return {
      index,
      entries,
      invalidUtf8Keys: [...this.invalidUtf8Keys],
      malformed: Array.from(this.malformed, ([key, reason]) => ({ key, reason }))
    }
  }
}

/** A watch of a prefix. */
export interface Source<E> {
  readonly prefix: string
  readonly events: Stream.Stream<ReadonlyArray<WatchEvent>, E>
}

export const snapshots = <E>(source: Source<E>): Stream.Stream<Contents, E> =>
  Stream.suspend(() => {
    const view = new ContentsView(source.prefix)
    return Stream.filterMap(source.events, (batch) => Option.fromNullable(view.apply(batch)))
  })

export const changes = <E>(source: Source<E>): Stream.Stream<KeyChange, E> =>
  Stream.suspend(() => {
    const view = new PrefixView(source.prefix)
    return Stream.mapConcat(source.events, (batch) => batch.flatMap((event) => view.apply(event)))
  })
