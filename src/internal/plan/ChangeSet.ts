/**
 * What a pass changes, gathered from several snapshots: of a key, the last that was said of it.
 */
import type { Changes, Write } from "./Diff.js"

export class ChangeSet {
  private readonly all = new Map<string, Write | undefined>()

  private highest = 0

  /**
   * `held` is how many keys the destination held when it began, and `deleted` how many had gone by then since everything
   * was said.
   */
  constructor(
    readonly keysBefore: number,
    readonly deletesBefore: number
  ) {}

  /** The highest index of the source that it takes in. */
  get index(): number {
    return this.highest
  }

  reach(index: number): void {
    this.highest = Math.max(this.highest, index)
  }

  write(write: Write): void {
    this.all.set(write.key, write)
  }

  delete(key: string): void {
    this.all.set(key, undefined)
  }

  changes(): Changes {
    const writes: Array<Write> = []
    const deletes: Array<string> = []
    for (const [key, write] of this.all) {
      if (write === undefined) deletes.push(key)
      else writes.push(write)
    }
    return { writes, deletes }
  }
}
