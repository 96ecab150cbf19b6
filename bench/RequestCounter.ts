/**
 * Counts the HTTP/1.1 requests of one connection, in pieces of any size. Parses only the length of each request.
 */

export interface RequestCounter {
  /** Returns the number of requests whose head is completed by this piece. */
  readonly feed: (chunk: Buffer) => number
}

type State =
  | { readonly _tag: "Head" }
  /** The remaining bytes of a body, or of a chunk with the line end after it. */
  | { readonly _tag: "Bytes"; readonly left: number; readonly next: "Head" | "ChunkSize" }
  | { readonly _tag: "ChunkSize" }
  /** The lines after the last chunk, up to an empty line. */
  | { readonly _tag: "Trailer" }

const lineEnd = Buffer.from("\r\n")
const headEnd = Buffer.from("\r\n\r\n")

const afterHead = (head: string): State => {
  if (/^transfer-encoding:.*\bchunked\b/im.test(head)) return { _tag: "ChunkSize" }
  const length = Number(/^content-length:\s*(\d+)/im.exec(head)?.[1] ?? 0)
  return length === 0 ? { _tag: "Head" } : { _tag: "Bytes", left: length, next: "Head" }
}

export const make = (): RequestCounter => {
  let state: State = { _tag: "Head" }
  let rest: Buffer = Buffer.alloc(0)

  /** Removes the text up to `end` from the front, and returns it. Undefined while `end` has not arrived. */
  const take = (end: Buffer): string | undefined => {
    const at = rest.indexOf(end)
    if (at < 0) return undefined
    const text = rest.toString("latin1", 0, at)
    rest = rest.subarray(at + end.length)
    return text
  }

  return {
    feed: (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let begun = 0
      for (;;) {
        switch (state._tag) {
          case "Head": {
            const head = take(headEnd)
            if (head === undefined) return begun
            begun += 1
            state = afterHead(head)
            break
          }
          case "Bytes": {
            const length: number = Math.min(state.left, rest.length)
            rest = rest.subarray(length)
            if (length < state.left) {
              state = { ...state, left: state.left - length }
              return begun
            }
            state = { _tag: state.next }
            break
          }
          case "ChunkSize": {
            const size = take(lineEnd)
            if (size === undefined) return begun
            const length = Number.parseInt(size, 16)
            state =
              length === 0
                ? { _tag: "Trailer" }
                : { _tag: "Bytes", left: length + lineEnd.length, next: "ChunkSize" }
            break
          }
          case "Trailer": {
            const line = take(lineEnd)
            if (line === undefined) return begun
            if (line === "") state = { _tag: "Head" }
            break
          }
        }
      }
    }
  }
}
