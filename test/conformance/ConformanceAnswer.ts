/**
 * Normalizes answers, so that answers of both sides can be compared: ids by the order of their appearance, indexes by their order.
 */
import type { SimConsul } from "../../src/testing/index.js"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import type { Side } from "./ConformanceSide.js"

/** An answer as lines that must be the same on both sides, and the indexes in it, in order. */
export interface Answer {
  readonly text: string
  readonly indexes: ReadonlyArray<number>
}

/** Headers that the transport adds. */
const transport = new Set(["date", "connection", "keep-alive", "content-length", "transfer-encoding"])

/**
 * Reads whose index is that of the table of checks or of nodes. A real agent may tell its servers of a check's new status
 * twice, from the request and from its own loop, and that moves the index once more. A new server enters itself in the
 * catalog twice, or only once if its agent is faster than its leader, as on a busy machine.
 */
const byBusyTable = /^\/v1\/(health\/(state|node|checks)\/|catalog\/nodes)/

/** The end of a node's JSON, with indexes that depend on how often the node was registered. */
const ofNode = /("consul-network-segment":\s*""\s*\},\s*"CreateIndex":\s*)\d+(,\s*"ModifyIndex":\s*)\d+/g

export const of = (side: Side, target: string, response: SimConsul.Response): Answer => {
  const headers = response.headers
    .filter(([name]) => !transport.has(name.toLowerCase()))
    .filter(([name]) => name !== "X-Consul-Index" || !byBusyTable.test(target))
    .map(([name, value]) => `${name}: ${named(side, value)}`)
    .sort()
  const body = ordered(target, named(side, ByteString.fromBytes(response.body)))
  const indexes: Array<number> = []
  const text = [String(response.status), ...headers, body]
    .join("\n")
    .replace(anIndex, (_, before: string, index: string) => {
      indexes.push(Number(index))
      return `${before}#`
    })
  return { text, indexes }
}

const anIndex =
  /(X-Consul-Index: |(?:Create|Modify)Index":\s*|current modify index |(?<=modify index \d+) != )(\d+)/g

const named = (side: Side, body: string): string => {
  let text = body
  for (const [own, alias] of side.aliases) text = text.replaceAll(own, alias)
  for (const [i, id] of side.sessions.entries()) {
    text = text.replaceAll(id, `(session ${i})`).replaceAll(id.toUpperCase(), `(SESSION ${i})`)
  }
  // The port on which servers talk to each other.
  return text.replace(/("(?:Service)?Port":\s*)\d{4,}/g, "$1(port)").replace(ofNode, "$1(node)$2(node)")
}

/** Lists that Consul orders by id, or at random. */
const ordered = (target: string, body: string): string => {
  if (/^\/v1\/session\/(list|node)/.test(target) && /^\[\s*\{/.test(body)) {
    return body
      .trim()
      .slice(1, -1)
      .trim()
      .split(/(?<=\}),\s*(?=\{\s*"ID")/)
      .sort()
      .join("\n")
  }
  if (target.startsWith("/v1/catalog/services")) {
    return body.replace(/\[([^\]]*)\]/g, (_, tags: string) => `[${tags.split(",").sort().join(",")}]`)
  }
  return body
}

/**
 * Compares the indexes of both sides. They agree if equal indexes of one side are equal on the other, and greater ones greater.
 */
export class Indexes {
  private readonly pairs = new Map<number, number>()

  /** Adds a pair of indexes. Returns how the pair contradicts the pairs before, if it does. */
  add(real: number, simulated: number): string | undefined {
    // Consul answers 1 without an index, and 0 if nothing was ever written.
    if ((real <= 1 || simulated <= 1) && real !== simulated) return `index ${real} is ${simulated}`
    for (const [r, s] of this.pairs) {
      if (Math.sign(real - r) !== Math.sign(simulated - s)) {
        return `index ${real} beside ${r} is ${simulated} beside ${s}`
      }
    }
    this.pairs.set(real, simulated)
    return undefined
  }
}
