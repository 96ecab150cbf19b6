/**
 * What the check of the leader's service shows, made from the events of one replication: what the last pass left to do, what
 * holds replication up, since when the destination is behind the source, and the silence of the source, which lasts beside
 * them.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Health, Leadership } from "../../LeaderLock.js"
import type { Replication } from "../../Replication.js"
import type { ReplicationEvent, Route } from "../../ReplicationEvent.js"
import { count } from "./Counts.js"
import type { Consumer } from "./EventSink.js"
import * as EventText from "./EventText.js"
import { OptionName } from "./OptionName.js"
import { routeOf } from "./Route.js"
import { routeText } from "./RouteText.js"

type Landed = Extract<ReplicationEvent, { readonly _tag: "Applied" | "ComparisonDone" }>

const iso = (at: number): string => DateTime.formatIso(DateTime.unsafeMake(at))

/**
 * The figures are those of the moment since which all has been well: later ones are in the status, and would change the check
 * too often.
 */
export const inSync = (status: string, { at, index, replication, totalKeys }: Landed): string =>
  `in sync since ${iso(at)}, no lag then: ${count(totalKeys, "key")} at ${replication.source} index ${index}; ` +
  `figures of now: ${status}`

/** What the check shows, as far as events have told it. */
interface Shown {
  /** What the latest event tells, without the silence of the source. */
  readonly health: Health
  /** What is shown again when the lock of the status's owner can be read. */
  readonly beforeOwner: Health | undefined
  /** Since when the destination is behind the source: ms since 1970. Undefined if it is not. */
  readonly behindSince: number | undefined
  readonly held: string | undefined
  readonly refused: string | undefined
  /** Undefined unless the source is silent. */
  readonly silence: string | undefined
}

const warn = (shown: Shown, output: string, at: number): Shown => ({
  ...shown,
  health: { status: "warning", output },
  beforeOwner: undefined,
  behindSince: shown.behindSince ?? at
})

const left = (shown: Shown, at: number): Shown => {
  const texts = [shown.held, shown.refused].filter((text) => text !== undefined)
  return texts.length === 0 ? shown : warn(shown, texts.join("; "), at)
}

/** Reminders change nothing. */
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
            held: undefined,
            refused: undefined
          }
        : shown
    case "DeletesHeld":
      return event.phase === "Lasts"
        ? shown
        : left({ ...shown, held: EventText.lasting(event, nameOf) }, event.at)
    case "DeletesAllowed":
      return left({ ...shown, held: undefined }, event.at)
    case "WritesRefused":
      return event.phase === "Lasts"
        ? shown
        : left({ ...shown, refused: EventText.lasting(event, nameOf) }, event.at)
    case "WritesAccepted":
      return left({ ...shown, refused: undefined }, event.at)
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
  // It tells the lag by the time at which the destination fell behind: the output changes with the state only.
  const output =
    behindSince === undefined ? health.output : `${health.output}; behind since ${iso(behindSince)}`
  if (silence === undefined) return { status: health.status, output }
  // The silence says enough if all was well before.
  return { status: "warning", output: health.status === "passing" ? silence : `${silence}; ${output}` }
}

const isAbout = (event: ReplicationEvent, { destinationPrefix, prefix, source }: Route): boolean => {
  const route = "replication" in event ? event.replication : undefined
  return (
    route === undefined ||
    (route.prefix === prefix && route.source === source && route.destinationPrefix === destinationPrefix)
  )
}

/** Shows that both sides are compared, until an event tells something else. */
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
      held: undefined,
      refused: undefined,
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
