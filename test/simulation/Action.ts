/** The actions on the servers, the keys and the instances of a history, with their times. */
import type { SimConsul } from "../../src/testing/index.js"
import type { Configuration } from "./Route.js"

/** A write at the source. `size` is the size of the value, in bytes. */
export type SourceWrite =
  | { readonly _tag: "Put"; readonly key: string; readonly size: number; readonly flags: bigint }
  | { readonly _tag: "Remove"; readonly key: string }

/** The answers of other datacenters for servers that are gone: requests stay unanswered, or are answered with 500. */
export type Death = "unanswered" | SimConsul.Outage

/** An action. Times are in ms. `instance` counts from 0. `lasting` is the duration. */
export type Action =
  /** One transaction at the source. */
  | { readonly _tag: "Write"; readonly writes: ReadonlyArray<SourceWrite> }
  /** Another client writes a key of a destination outside the replica. */
  | { readonly _tag: "WriteElsewhere"; readonly datacenter: string; readonly key: string }
  /** Another client writes or deletes a key of the replica. */
  | {
      readonly _tag: "Drift"
      readonly datacenter: string
      readonly key: string
      readonly deletes: boolean
    }
  /** A client deletes all keys of the source under a prefix, except one. */
  | { readonly _tag: "Wipe"; readonly prefix: string }
  /** A client moves a folder of the source to a new name. */
  | { readonly _tag: "Move"; readonly to: string }
  /** Another client writes the status key. */
  | { readonly _tag: "OverwriteStatus"; readonly datacenter: string }
  /** Another client deletes the lock key. */
  | { readonly _tag: "DeleteLock"; readonly datacenter: string }
  | { readonly _tag: "EndSession"; readonly datacenter: string }
  /** Ends the sessions of all instances, except that of the leader. */
  | { readonly _tag: "EndStandbySessions"; readonly datacenter: string }
  /** The token of the replicators must not change some keys of the replica. */
  | {
      readonly _tag: "Deny"
      readonly datacenter: string
      readonly keys: ReadonlyArray<string>
      readonly lasting: number
    }
  | { readonly _tag: "Election"; readonly datacenter: string; readonly lasting: number }
  | {
      readonly _tag: "Partition"
      readonly between: readonly [string, string]
      readonly outage: "refused" | "no path"
      readonly lasting: number
    }
  | {
      readonly _tag: "Isolate"
      readonly instance: number
      readonly how: "refused" | "unanswered"
      readonly lasting: number
    }
  | { readonly _tag: "Freeze"; readonly instance: number; readonly lasting: number }
  | { readonly _tag: "Kill"; readonly instance: number; readonly lasting: number }
  | { readonly _tag: "Stop"; readonly instance: number; readonly lasting: number }
  /** An operator changes the replications of all instances, and reloads each process. */
  | { readonly _tag: "Reload"; readonly configuration: Configuration }
  /** The servers of a source are gone, for a while or, without `lasting`, for good. */
  | {
      readonly _tag: "SourceDies"
      readonly datacenter: string
      readonly how: Death
      readonly lasting: number | undefined
    }
  | { readonly _tag: "ClockRate"; readonly of: string; readonly rate: number }
  /** A client deletes a folder with all its keys, at either side. The folder may contain more than the replica. */
  | { readonly _tag: "DeleteTree"; readonly datacenter: string; readonly prefix: string }
  /** Another client writes a status that names the session of another tool. */
  | { readonly _tag: "ForgeStatus"; readonly datacenter: string; readonly holdsLock: boolean }
  /** The agents of a datacenter get another version, or other settings. */
  | {
      readonly _tag: "Configure"
      readonly datacenter: string
      readonly settings: Partial<SimConsul.Settings>
    }
  /** The agent of an instance limits its requests. */
  | {
      readonly _tag: "LimitRequests"
      readonly instance: number
      readonly limit: SimConsul.RequestLimit
      readonly lasting: number
    }
  /** An operator sets the clock of an instance's machine ahead or back, by `by` ms. */
  | { readonly _tag: "SetClock"; readonly instance: number; readonly by: number }
  /** Large values for a key are refused, until after the end of all other faults. */
  | {
      readonly _tag: "RefuseLarge"
      readonly datacenter: string
      readonly key: string
      readonly status: number
    }
  | { readonly _tag: "Corrupt"; readonly key: string }
  | { readonly _tag: "SaveDestination"; readonly datacenter: string }
  | { readonly _tag: "RestoreDestination"; readonly datacenter: string }
  | { readonly _tag: "SaveSource" }
  | { readonly _tag: "RestoreSource"; readonly rebuilt: boolean }

export interface Timed {
  readonly at: number
  readonly action: Action
}

/** The line of an action in a history. */
export const describe = (action: Action): string => {
  switch (action._tag) {
    case "Write":
      return `source writes ${action.writes
        .map((w) =>
          w._tag === "Put"
            ? `${JSON.stringify(w.key)} (${w.size} bytes, flags ${w.flags})`
            : `-${JSON.stringify(w.key)}`
        )
        .join(", ")}`
    default: {
      const { _tag, ...rest } = action
      return `${_tag} ${JSON.stringify(rest, (_, value: unknown) => (value instanceof RegExp ? value.source : value))}`
    }
  }
}
