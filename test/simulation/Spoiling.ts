/**
 * Answers that differ from those of the servers: refusals by other hosts, and changed documents.
 */
import { contains, type KeyRange } from "../../src/KeyRange.js"
import type { Dice } from "./Dice.js"
import type { Fate } from "./Plan.js"

/** An answer of the servers, which can be repeated. */
export interface Answer {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly text: string
  /** When the servers answered, in ms. */
  readonly at: number
}

export interface Refusal {
  readonly status: number
  readonly text: string
  readonly headers?: Answer["headers"]
}

const limited = "rate limit exceeded, try again later or against a different server"

export const rejected: Refusal = { status: 400, text: "" }

export const refusals: Partial<Record<Fate, ReadonlyArray<Refusal>>> = {
  "no leader": [{ status: 500, text: "No cluster leader" }],
  "rate limited": [
    { status: 429, text: "Your IP is issuing too many concurrent connections, please rate limit your calls" }
  ],
  denied: [{ status: 403, text: "Permission denied" }],
  failed: [{ status: 500, text: "rpc error making call: EOF" }],
  foreign: [{ status: 404, text: "<html><body>404 Not Found</body></html>" }],
  rejected: [rejected],
  limited: [
    { status: 429, text: limited, headers: [["retry-after", "1"]] },
    { status: 503, text: limited, headers: [["retry-after", "2"]] },
    { status: 429, text: limited }
  ]
}

/** The answer of a balancer that ends a long wait. */
export const gatewayTimeout: Refusal = {
  status: 504,
  text: "<html><body><h1>504 Gateway Time-out</h1></body></html>"
}

/** The context of a change of an answer. */
export interface Circumstances {
  readonly dice: Dice
  /** The request. */
  readonly range: KeyRange | undefined
  /** The keys of the source that the destination has too, as bytes. */
  readonly replicated: (key: string) => boolean
}

/** Whether an answer with this fate is useless for a client. The answer to a transaction needs no index. */
export const isUnusable = (fate: Fate | undefined, isTransaction: boolean): boolean =>
  fate === "truncated" ||
  fate === "malformed" ||
  fate === "empty body" ||
  (fate === "without index" && !isTransaction)

/** The answer that reaches the client. */
export const spoil = (fate: Fate, answer: Answer, circumstances: Circumstances): Answer => {
  switch (fate) {
    case "truncated":
      return { ...answer, text: answer.text.slice(0, answer.text.length >> 1) }
    case "malformed":
      return { ...answer, status: 200, text: `[${answer.text}` }
    case "without index":
      return { ...answer, headers: answer.headers.filter(([name]) => name !== "x-consul-index") }
    case "empty body":
      return { ...answer, status: 200, text: "" }
    case "emptied":
      return { ...answer, status: 404, text: "" }
    default: {
      const change = changes[fate]
      return change === undefined || answer.status !== 200
        ? answer
        : { ...answer, text: joined(change(entriesOf(answer.text), circumstances)) }
    }
  }
}

// -----------------------------------------------------------------------------
// Lists of entries, each as its JSON text: to parse and print an entry would change its 64-bit numbers.
// -----------------------------------------------------------------------------

type Entries = ReadonlyArray<string>

const entriesOf = (text: string): Entries =>
  text
    .trim()
    .slice(1, -1)
    .trim()
    .split(/(?<=\}),\s*(?=\{\s*"LockIndex")/)
    .filter((entry) => entry !== "")

const joined = (entries: Entries): string => `[${entries.join(",")}]`

/** The key of an entry, as bytes. */
const keyIn = (entry: string): string => {
  const [, quoted = '""'] = /"Key":\s*("(?:[^"\\]|\\.)*")/.exec(entry) ?? []
  return Buffer.from(JSON.parse(quoted) as string).toString("latin1")
}

const withField = (entry: string, field: string, value: string): string =>
  entry.replace(
    new RegExp(`("${field}":\\s*)(?:"(?:[^"\\\\]|\\\\.)*"|[^,\\s}]+)`),
    (_, name: string) => name + value
  )

const one =
  (change: (entry: string, dice: Dice) => Entries) =>
  (entries: Entries, { dice }: Circumstances): Entries => {
    if (entries.length === 0) return entries
    const at = dice.between(0, entries.length - 1)
    return entries.flatMap((entry, i) => (i === at ? change(entry, dice) : [entry]))
  }

const outside = (key: string) =>
  `{"LockIndex":0,"Key":${JSON.stringify(key)},"Flags":0,"Value":"c3RyYXk=","CreateIndex":1,"ModifyIndex":1}`

/** Keys that sort before the requested prefix, after it, or in another shard of it. */
const strays = ["app/password", "global", "globals", "copy/of", "global/k1", "global/many/zz", "zz"] as const

/** Texts that are no base64, by their characters or by their length. */
const noBase64 = ["%", "A", "AAAAA", "====", "A".repeat(401), "A\\u0000AA", "AA=A"] as const

const badValue = (entry: string, dice: Dice): string =>
  withField(entry, "Value", dice.pick([`"${dice.pick(noBase64)}"`, "5", "{}", "true"]))

const changes: Partial<Record<Fate, (entries: Entries, circumstances: Circumstances) => Entries>> = {
  "entry outside": (entries, { dice, range }) => {
    const [first, ...others] = strays.filter((key) => range !== undefined && !contains(range, key))
    if (first === undefined) return entries
    const stray = outside(dice.pick([first, ...others]))
    return dice.chance(0.5) ? [stray, ...entries] : [...entries, stray]
  },
  "names missing": (entries, { dice, replicated }) => {
    const left = entries.filter((entry) => !replicated(keyIn(entry)) || dice.chance(0.5))
    return left.length === 0 ? entries : left
  },
  "bad value": one((entry, dice) => [badValue(entry, dice)]),
  "bad index": one((entry, dice) => [
    withField(
      entry,
      dice.pick(["ModifyIndex", "ModifyIndex", "CreateIndex", "LockIndex"]),
      dice.pick(["9007199254740993", "18446744073709551616", "-1", "1.5", '"7"', "null", "1e400"])
    )
  ]),
  // `1e3` is missing: it is 1000, so a client cannot detect it.
  "bad flags": one((entry, dice) => [
    withField(entry, "Flags", dice.pick(["-1", "18446744073709551616", "1.5", '"1"', "null", "1e400", "[]"]))
  ]),
  "lone surrogate": one((entry, dice) => [
    withField(entry, "Key", dice.pick(['"global/\\ud800"', '"copy/of/\\udc00x"', '"global/a\\ud83d"'])),
    entry
  ]),
  duplicate: one((entry, dice) => {
    const other = withField(entry, "Value", '"ZHVwbGljYXRl"')
    return dice.chance(0.5) ? [entry, other] : [other, entry]
  })
}

/** The same list with impossible values for some keys, which are given as bytes. */
export const corrupt = (text: string, keys: ReadonlySet<string>): string =>
  text.trimStart().startsWith("[")
    ? joined(
        entriesOf(text).map((entry) => (keys.has(keyIn(entry)) ? withField(entry, "Value", '"%"') : entry))
      )
    : text
