/**
 * Settings that this build cannot do yet: to go on without would be another replication than the one that was asked for. Each
 * entry goes when what it refuses is there.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Origin, shown } from "./Origin.js"
import type { Settings } from "./Settings.js"
import { WrongUse } from "./WrongUse.js"

const refuse = (origin: Origin | undefined, name: string, instead: string) =>
  origin === undefined
    ? Effect.void
    : new WrongUse({
        subject: shown(origin, name),
        problem: `not supported yet by this build: ${instead}`
      })

/** Fails with the first setting that is refused. */
export const validate = ({ origins, replications, syslog }: Settings): Effect.Effect<void, WrongUse> =>
  Effect.gen(function* () {
    const [, second] = replications
    if (second !== undefined) {
      yield* refuse(second.origins.get("prefix"), "prefix", "more than one prefix; run one program for each")
    }
    if (syslog !== undefined) {
      const origin = origins.get("syslog") ?? origins.get("syslog-facility")
      yield* refuse(origin, "syslog", "send the log there from stderr, as systemd and logger do")
    }
  })

/** Settings whose lack changes nothing but the time at which changes are replicated. */
export const warnings = ({ wait }: Settings): ReadonlyArray<string> =>
  wait === undefined || Duration.isZero(wait.min)
    ? []
    : ["-wait: this build does not wait until changes are quiet; it replicates each at once"]
