/**
 * Answers that are not what the servers gave: refusals of others, and documents that somebody has changed.
 */
import { contains, type KeyRange } from "../../src/KeyRange.js"
import type { Dice } from "./Dice.js"
import type { Fate } from "./Plan.js"

/** An answer as it was given, to be given again. */
export interface Answer {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly text: string
  /** When the servers gave it, in ms. */
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

/** What a balancer says that has waited for long enough. */
export const gatewayTimeout: Refusal = {
  status: 504,
  text: "<html><body><h1>504 Gateway Time-out</h1></body></html>"
}

/** What somebody knows who changes an answer. */
export interface Circumstances {
  readonly dice: Dice
  /** What was asked for. */
  readonly range: KeyRange | undefined
  /** The keys of the source that the destination has, too, by their bytes. */
  readonly replicated: (key: string) => boolean
}

/** Whether a client can use nothing of an answer with this fate. That of a transaction needs no index. */
export const isUnusable = (fate: Fate | undefined, isTransaction: boolean): boolean =>
  fate === "truncated" ||
  fate === "malformed" ||
  fate === "empty body" ||
  (fate === "without index" && !isTransaction)

/** What reaches the client of an answer. */
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
// Lists of entries, each as it was written: a number of Go's would not survive being read.
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

/** By its bytes. */
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

/** Some sort before what was asked for, some after it; some are in another part of it. */
const strays = ["app/password", "global", "globals", "copy/of", "global/k1", "global/many/zz", "zz"] as const

/** Base64 neither by its letters nor by its length. */
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
  // Not `1e3`, which is 1000 however odd it looks: nobody could tell such an answer from a right one.
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

/** The same list, but the values of these keys, given by their bytes, are what no value can be. */
export const corrupt = (text: string, keys: ReadonlySet<string>): string =>
  text.trimStart().startsWith("[")
    ? joined(
        entriesOf(text).map((entry) => (keys.has(keyIn(entry)) ? withField(entry, "Value", '"%"') : entry))
      )
    : text
