/** What happened, line by line, each with its moment; the same for the same seed, to the byte. */
export interface History {
  readonly lines: ReadonlyArray<string>
  readonly add: (at: number, line: string) => void
  /** How often something happened, by name. */
  readonly counts: ReadonlyMap<string, number>
  readonly count: (what: string) => void
  /** Nothing is added any more. */
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
