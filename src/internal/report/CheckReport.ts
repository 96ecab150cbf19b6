/**
 * The output of the check of the leader's service, made from the events of one replication: deletes that are held back, refused
 * keys, trouble, since when the destination is behind the source, and the silence of the source.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Health, Leadership } from "../../LeaderLock.js"
import type { Replication } from "../../Replication.js"
import type { ReplicationEvent, Route } from "../event/ReplicationEvent.js"
import { count } from "./Counts.js"
import type { Consumer } from "./EventSink.js"
import * as EventText from "./EventText.js"
import { OptionName } from "./OptionName.js"
import { routeOf } from "./Route.js"
import { routeText } from "./RouteText.js"

type Landed = Extract<ReplicationEvent, { readonly _tag: "Applied" | "ComparisonDone" }>

const iso = (at: number): string => DateTime.formatIso(DateTime.unsafeMake(at))

/**
 * The output while the destination is in sync. The figures are those of the moment at which it got in sync: newer figures would
 * change the check too often, and are in the status.
 */
export const inSync = (status: string, { at, index, replication, totalKeys }: Landed): string =>
  `in sync since ${iso(at)}, no lag then: ${count(totalKeys, "key")} at ${replication.source} index ${index}; ` +
  `figures of now: ${status}`

/** The state of the check after some events. */
interface Shown {
  /** The health without the silence of the source. */
  readonly health: Health
  /** The health to show again when the lock of the status's owner can be read. Undefined unless it cannot be read. */
  readonly beforeOwner: Health | undefined
  /** Since when the destination is behind the source: ms since 1970. Undefined if it is not. */
  readonly behindSince: number | undefined
  /** Undefined unless deletes are held back. */
  readonly heldDeletes: string | undefined
  /** Undefined unless keys are refused. */
  readonly refusedKeys: string | undefined
  /** Undefined unless the source is silent. */
  readonly silence: string | undefined
}

const warn = (shown: Shown, output: string, at: number): Shown => ({
  ...shown,
  health: { status: "warning", output },
  beforeOwner: undefined,
  behindSince: shown.behindSince ?? at
})

/** Warns of what the last pass left to do, if it left anything. */
const warnOfRest = (shown: Shown, at: number): Shown => {
  const texts = [shown.heldDeletes, shown.refusedKeys].filter((text) => text !== undefined)
  return texts.length === 0 ? shown : warn(shown, texts.join("; "), at)
}

/** The state after an event. A reminder does not change it. */
const next = (
  shown: Shown,
  event: ReplicationEvent,
  { status }: Replication,
  nameOf: EventText.NameOf
): Shown => {
  switch (event._tag) {
    case "Applied":
    case "ComparisonDone":
      return event.inSync
        ? {
            ...shown,
            health: { status: "passing", output: inSync(status, event) },
            beforeOwner: undefined,
            behindSince: undefined,
            heldDeletes: undefined,
            refusedKeys: undefined
          }
        : shown
    case "DeletesHeld":
      return event.phase === "Lasts"
        ? shown
        : warnOfRest({ ...shown, heldDeletes: EventText.lasting(event, nameOf) }, event.at)
    case "DeletesAllowed":
      return warnOfRest({ ...shown, heldDeletes: undefined }, event.at)
    case "WritesRefused":
      return event.phase === "Lasts"
        ? shown
        : warnOfRest({ ...shown, refusedKeys: EventText.lasting(event, nameOf) }, event.at)
    case "WritesAccepted":
      return warnOfRest({ ...shown, refusedKeys: undefined }, event.at)
    case "Trouble":
      if (event.phase === "Lasts") return shown
      if (event.subject._tag === "Replication") return warn(shown, EventText.lasting(event, nameOf), event.at)
      return event.subject._tag === "StatusOwner"
        ? {
            ...warn(shown, EventText.lasting(event, nameOf), event.at),
            beforeOwner: shown.beforeOwner ?? shown.health
          }
        : shown
    case "TroubleOver":
      return event.subject._tag === "StatusOwner" && shown.beforeOwner !== undefined
        ? { ...shown, health: shown.beforeOwner, beforeOwner: undefined }
        : shown
    case "SourceSilent":
      return { ...shown, silence: EventText.sourceSilent(event) }
    case "SourceHeard":
      return { ...shown, silence: undefined }
    default:
      return shown
  }
}

const healthOf = ({ behindSince, health, silence }: Shown): Health => {
  // The output has the time at which the destination fell behind, and not the lag, which changes all the time.
  const output =
    behindSince === undefined ? health.output : `${health.output}; behind since ${iso(behindSince)}`
  if (silence === undefined) return { status: health.status, output }
  // A passing health says nothing about a silent source.
  return { status: "warning", output: health.status === "passing" ? silence : `${silence}; ${output}` }
}

const isAbout = (event: ReplicationEvent, { destinationPrefix, prefix, source }: Route): boolean => {
  const route = "replication" in event ? event.replication : undefined
  return (
    route === undefined ||
    (route.prefix === prefix && route.source === source && route.destinationPrefix === destinationPrefix)
  )
}

/** The check shows that both sides are compared, until an event changes that. */
export const make = (
  { report }: Pick<Leadership, "report">,
  replication: Replication
): Effect.Effect<Pick<Consumer, "consume">> =>
  Effect.gen(function* () {
    const about = routeOf(replication)
    const nameOf = yield* OptionName
    let shown: Shown = {
      health: { status: "passing", output: `comparing ${routeText(about)}` },
      beforeOwner: undefined,
      behindSince: (yield* DateTime.now).epochMillis,
      heldDeletes: undefined,
      refusedKeys: undefined,
      silence: undefined
    }
    yield* report(healthOf(shown))
    return {
      consume: (event) => {
        if (!isAbout(event, about)) return Effect.void
        const after = next(shown, event, replication, nameOf)
        if (after === shown) return Effect.void
        shown = after
        return report(healthOf(shown))
      }
    }
  })
