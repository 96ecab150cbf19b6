/** What is done to the servers, the keys and the instances of a history, and when. */
import type { SimConsul } from "../../src/testing/index.js"
import type { Configuration } from "./Route.js"

/** `size` is that of the value, in bytes. */
export type SourceWrite =
  | { readonly _tag: "Put"; readonly key: string; readonly size: number; readonly flags: bigint }
  | { readonly _tag: "Remove"; readonly key: string }

/** What the servers of other datacenters see of servers that are gone: requests stay unanswered, or are answered with 500. */
export type Death = "unanswered" | SimConsul.Outage

/** Times are in milliseconds; `instance` counts from 0. */
export type Action =
  /** One transaction at the source. */
  | { readonly _tag: "Write"; readonly writes: ReadonlyArray<SourceWrite> }
  /** Somebody else at a destination: keys beside the replica. */
  | { readonly _tag: "WriteElsewhere"; readonly datacenter: string; readonly key: string }
  /** Somebody else writes or deletes a key of the replica. */
  | {
      readonly _tag: "Drift"
      readonly datacenter: string
      readonly key: string
      readonly deletes: boolean
    }
  /** Somebody deletes all but one of the source's keys under a prefix. */
  | { readonly _tag: "Wipe"; readonly prefix: string }
  /** Somebody moves a folder of the source to where no key has been yet. */
  | { readonly _tag: "Move"; readonly to: string }
  /** Somebody else writes the status key, or deletes the lock's. */
  | { readonly _tag: "OverwriteStatus"; readonly datacenter: string }
  | { readonly _tag: "DeleteLock"; readonly datacenter: string }
  | { readonly _tag: "EndSession"; readonly datacenter: string }
  /** Ends all sessions of instances but that of the leader. */
  | { readonly _tag: "EndStandbySessions"; readonly datacenter: string }
  /** The token of the replicators may not change some keys of the replica. */
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
  /** An operator changes the replications of all instances, and tells each process to read its configuration again. */
  | { readonly _tag: "Reload"; readonly configuration: Configuration }
  /** The servers of a source are gone, for a while or, without `lasting`, for good. */
  | {
      readonly _tag: "SourceDies"
      readonly datacenter: string
      readonly how: Death
      readonly lasting: number | undefined
    }
  | { readonly _tag: "ClockRate"; readonly of: string; readonly rate: number }
  /** Somebody deletes a folder with all that is in it, at either side, also one that holds more than the replica. */
  | { readonly _tag: "DeleteTree"; readonly datacenter: string; readonly prefix: string }
  /** Somebody writes a status that names a session of somebody else. */
  | { readonly _tag: "ForgeStatus"; readonly datacenter: string; readonly holdsLock: boolean }
  /** The agents of a datacenter are replaced by those of another version, or set up otherwise. */
  | {
      readonly _tag: "Configure"
      readonly datacenter: string
      readonly settings: Partial<SimConsul.Settings>
    }
  /** The agent beside an instance takes no more than so many requests a second. */
  | {
      readonly _tag: "LimitRequests"
      readonly instance: number
      readonly limit: SimConsul.RequestLimit
      readonly lasting: number
    }
  /** Somebody sets the clock of an instance's machine, by so many ms. */
  | { readonly _tag: "SetClock"; readonly instance: number; readonly by: number }
  /** Until after the calm, and for good as far as the replicators can know. */
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

/** One line, for a history. */
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
