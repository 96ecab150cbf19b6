/**
 * `consul-replicate`: replicates until stopped, or once.
 */
import * as Command from "@effect/cli/Command"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as String from "effect/String"
import * as ConsulHttp from "../ConsulHttp.js"
import * as DeleteLimit from "../DeleteLimit.js"
import { count } from "../internal/Notices.js"
import * as Replication from "../Replication.js"
import { layerWithServices, Replicator } from "../Replicator.js"
import { version } from "../Version.js"
import * as address from "./address.js"
import * as Connections from "./Connections.js"
import * as Environment from "./Environment.js"
import * as Memory from "./Memory.js"
import { documented, options } from "./options.js"
import * as prefix from "./prefix.js"
import * as Signals from "./Signals.js"

/** With `-once`: everything is replicated but the deletes that the limit holds back, and what is refused. */
export class NotEqual extends Data.TaggedError("NotEqual")<{
  readonly held: number
  readonly refused: number
  readonly limit: DeleteLimit.DeleteLimit
}> {
  override get message() {
    const { held, limit, refused } = this
    const left = [
      held > 0 &&
        `the deletion of ${count(held, "key")} is held back by -max-deletes=${DeleteLimit.format(limit)}`,
      refused > 0 && `${count(refused, "key")} did not land`
    ]
    return [...left.filter((text) => text !== false), "all else is replicated"].join("; ")
  }
}

/** With `-once`: whatever waits for it must not take it for done. */
export class Unfinished extends Data.TaggedError("Unfinished")<{ readonly signal: NodeJS.Signals }> {
  override get message() {
    return `stopped by ${this.signal} before it was done`
  }
}

const withLogLevel = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { logLevel }: { readonly logLevel: LogLevel.LogLevel }
): Effect.Effect<A, E, R> => Logger.withMinimumLogLevel(effect, logLevel)

export const replicate = Command.make(
  "consul-replicate",
  options,
  Effect.fn("consul-replicate")(function* ({ addr, destinationPrefix, noDelete, once, ...given }) {
    yield* prefix.validate(given.prefix)
    const replication = yield* Replication.make({
      ...given,
      source: given.src,
      deletes: !noDelete,
      // As in the Go tool's first release; a variable of the shell that is not set would name the whole store.
      destinationPrefix: Option.getOrUndefined(Option.filter(destinationPrefix, String.isNonEmpty))
    })
    const environment = yield* Environment.address
    const asked = Option.getOrElse(
      Option.orElse(addr, () => environment),
      () => documented.addr.default
    )
    const base = yield* address.parse(asked)
    const token = Option.getOrUndefined(yield* Environment.token)
    yield* Effect.logInfo(`consul-replicate ${version}, agent ${base}`)
    yield* prefix.warn("prefix", replication.prefix)
    if (replication.destinationPrefix !== replication.prefix) {
      yield* prefix.warn("dst-prefix", replication.destinationPrefix)
    }
    const replicator = Layer.merge(layerWithServices(replication), Memory.layer).pipe(
      // Refused above, where it cannot be used.
      Layer.provide(Layer.orDie(ConsulHttp.layer({ address: base, token }))),
      Layer.provide(Connections.layer(replication.watchShards))
    )
    const replicating = Effect.gen(function* () {
      const { run, runOnce } = yield* Replicator
      if (!once) return yield* run
      const left = yield* runOnce
      const { held, refused } = { held: left.held.size, refused: left.refused.size }
      if (held + refused > 0) return yield* new NotEqual({ held, refused, limit: replication.maxDeletes })
    })
    const stopped = Effect.gen(function* () {
      const signal = yield* yield* Signals.StopSignal
      if (once) return yield* new Unfinished({ signal })
      yield* Effect.logInfo(`stopping: ${signal}`)
      return yield* Effect.interrupt
    })
    return yield* Effect.raceFirst(Effect.provide(replicating, replicator), stopped)
  }, withLogLevel)
)
