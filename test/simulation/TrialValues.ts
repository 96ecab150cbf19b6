/** Names, flags and settings that trials choose from. */
import type { SimConsul } from "../../src/testing/index.js"

/** Names that are hard for some agents: newer than Go's Unicode, not of ASCII, with spaces at an end or between. */
export const hardNames = [
  "🥲",
  "🫠/a",
  "🫠/b",
  "acme - host0001",
  "acme - host0002",
  "Data /a",
  "Data /b",
  " leading",
  "a:b",
  "é/ü"
] as const

/** The flags that Consul's own locks have, and others that no double holds. */
export const exactFlags = [
  3304740253564472344n,
  16210313421097356768n,
  2n ** 64n - 1n,
  2n ** 53n + 1n
] as const

export const keyNames: readonly [SimConsul.KeyNames, ...ReadonlyArray<SimConsul.KeyNames>] = [
  "printable",
  "restricted",
  "restricted",
  { matching: /^[a-zA-Z0-9,_./\-?&=]+$/, status: 400 },
  { matching: /^(?! )(?!.*(?: $| \/|\/ ))/, status: 400 }
]

export const smallLimits: readonly [
  Partial<SimConsul.Settings>,
  ...ReadonlyArray<Partial<SimConsul.Settings>>
] = [
  { txnMaxReqLen: 4_000 },
  { kvMaxValueSize: 2_000 },
  { kvMaxValueSize: 2_000, txnMaxReqLen: 20_000 },
  { sessionTtlMin: "1 minute" },
  { sessionTtlMin: "1 minute", txnMaxReqLen: 4_000 }
]

/** Fronts of keys that are excluded. The plans write keys that begin with them, at the source and at the destinations. */
export const excludes = ["global/k1", "global/many/", "global/folder"] as const

/** Keys of a destination's own that are excluded by their names at the source, without the prefix. */
export const excludedNames = ["k1", "many/30", "many/own", "folder/"] as const
