/**
 * `consul-replicate`: replicates until stopped, or once.
 */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as LeaderLock from "../../LeaderLock.js"
import * as Replication from "../../Replication.js"
import { version } from "../../Version.js"
import * as Environment from "../settings/Environment.js"
import * as FlagOf from "../settings/FlagOf.js"
import { parsers, type Values } from "../settings/OptionSpec.js"
import { options } from "../settings/Options.js"
import * as PrefixOption from "../settings/PrefixOption.js"
import { WrongUse } from "../settings/WrongUse.js"
import * as Run from "./replicate/Run.js"

const withLogLevel = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { logLevel }: { readonly logLevel: LogLevel.LogLevel }
): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.tapErrorCause((cause) => Effect.logTrace("stopped by this failure", cause)),
    Logger.withMinimumLogLevel(logLevel)
  )

type Settings = Values<typeof options>

const replicating = Effect.fnUntraced(
  function* ({
    addr,
    agentless,
    lock,
    logLevel: _,
    noDelete,
    once,
    service,
    sessionTtl,
    src,
    timeout,
    ...given
  }: Settings) {
    yield* PrefixOption.validate(given.prefix)
    const replication = yield* Replication.make({ ...given, source: src, deletes: !noDelete })
    yield* LeaderLock.options({ agentless, lock, service, sessionTtl })
    yield* Replication.validateUnder(replication, lock)
    yield* Environment.validate(addr)
    const token = Option.getOrUndefined(yield* Environment.token)
    yield* Effect.logInfo(`consul-replicate ${version}, agent ${addr}`)
    yield* PrefixOption.warn("prefix", replication.prefix)
    if (replication.destinationPrefix !== replication.prefix) {
      yield* PrefixOption.warn("dst-prefix", replication.destinationPrefix)
      yield* PrefixOption.warnOfSlashes(replication.prefix, replication.destinationPrefix)
    }
    yield* Effect.forEach(replication.exclude, PrefixOption.warnOfExclude(replication.prefix), {
      discard: true
    })
    return yield* Run.run({
      replications: [replication],
      lock: { agentless, lock, service, sessionTtl },
      address: addr,
      token,
      queries: replication.watchShards,
      once,
      timeout,
      reload: Option.none()
    })
  },
  Effect.catchTags({
    InvalidOptions: FlagOf.wrongUse,
    ReplicationConflict: ({ message }) => new WrongUse({ problem: message })
  }),
  withLogLevel
)

export const replicate = Command.make(
  "consul-replicate",
  parsers(options),
  Effect.fn("consul-replicate")(function* (settings) {
    return yield* replicating(yield* Effect.all(settings))
  })
)
