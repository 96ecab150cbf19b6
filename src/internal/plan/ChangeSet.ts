/**
 * The changes of one pass: of each key, the last change that a snapshot of the source makes.
 */
import type { Changes, Write } from "./Diff.js"
import type { DestinationKey } from "./Mapping.js"

export class ChangeSet {
  private readonly all = new Map<DestinationKey, Write | undefined>()

  private highest = 0

  constructor(
    /** Number of keys that the destination had when the pass began. During the first comparison: when the comparison began. */
    readonly keysBefore: number,
    /** Number of keys that were deleted since the source was last complete, when the pass began. */
    readonly deletesBefore: number
  ) {}

  /** The highest index of the source whose changes are in the set. */
  get index(): number {
    return this.highest
  }

  /** Changes up to an index of the source are in the set. */
  reach(index: number): void {
    this.highest = Math.max(this.highest, index)
  }

  /** In place of an earlier change of the key. */
  write(write: Write): void {
    this.all.set(write.key, write)
  }

  /** In place of an earlier change of the key. */
  delete(key: DestinationKey): void {
    this.all.set(key, undefined)
  }

  /** Whether the last change of the key is a write. */
  hasWrite(key: DestinationKey): boolean {
    return this.all.get(key) !== undefined
  }

  /** Whether the last change of the key is a delete. */
  hasDelete(key: DestinationKey): boolean {
    return this.all.has(key) && !this.hasWrite(key)
  }

  /** Removes the change of a key. */
  withdraw(key: DestinationKey): void {
    this.all.delete(key)
  }

  /** The keys in the order in which each was first changed. */
  changes(): Changes {
    const writes: Array<Write> = []
    const deletes: Array<DestinationKey> = []
    for (const [key, write] of this.all) {
      if (write === undefined) deletes.push(key)
      else writes.push(write)
    }
    return { writes, deletes }
  }
}
