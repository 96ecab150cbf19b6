/** The lines of a history, each with its time. The same seed gives the same lines. */
export interface History {
  readonly lines: ReadonlyArray<string>
  readonly add: (at: number, line: string) => void
  /** The number of occurrences of each event, by name. */
  readonly counts: ReadonlyMap<string, number>
  readonly count: (what: string) => void
  /** Closes the history: later lines are dropped. */
  readonly end: () => void
}

export const make = (): History => {
  const lines: Array<string> = []
  const counts = new Map<string, number>()
  let hasEnded = false
  return {
    lines,
    add: (at, line) => {
      if (hasEnded) return
      lines.push(`${(at / 1000).toFixed(3).padStart(8)} ${line}`)
    },
    counts,
    count: (what) => {
      if (hasEnded) return
      counts.set(what, (counts.get(what) ?? 0) + 1)
    },
    end: () => {
      hasEnded = true
    }
  }
}
