/** Names, flags and settings that trials choose from. */
import type { SimConsul } from "../../src/testing/index.js"

/** Names that some agents refuse: newer than Go's Unicode, not ASCII, or with spaces. */
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

/** The flags of Consul's own locks, and flags that a double cannot represent. */
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

/** Prefixes of excluded keys. The plans write keys under these prefixes, at the source and at the destinations. */
export const excludes = ["global/k1", "global/many/", "global/folder"] as const

/** Keys that only a destination has, and that the names of the source exclude. Without the prefix. */
export const excludedNames = ["k1", "many/30", "many/own", "folder/"] as const
