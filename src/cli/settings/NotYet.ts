/**
 * Settings that this build cannot do yet: to go on without would be another replication than the one that was asked for. Each
 * entry goes when what it refuses is there.
 */
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
export const validate = ({ origins, syslog }: Settings): Effect.Effect<void, WrongUse> =>
  Effect.gen(function* () {
    if (syslog !== undefined) {
      const origin = origins.get("syslog") ?? origins.get("syslog-facility")
      yield* refuse(origin, "syslog", "send the log there from stderr, as systemd and logger do")
    }
  })
