/**
 * The service of an instance in Consul's catalog: each attempt to lead registers a new one, and removes it at the end.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HashSet from "effect/HashSet"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import { version } from "../../Version.js"
import { farewell, whenDone } from "./Farewell.js"

export interface Registered {
  /** Id of the service. */
  readonly id: string
  /** Id of its check. */
  readonly checkId: string
}

/** How long a check is critical before Consul removes its service: Consul allows no less, and looks every 30 s. */
const deregisterAfter = Duration.minutes(1)

/** How many services are removed at once: that of this attempt, and those that former attempts could not remove. */
const farewellsAtOnce = 8

/**
 * The front of the ids of all instances of a service. Paths have ids in them, and Consul refuses characters in a path that its
 * Go cannot print (1.8.7: those after Unicode 12): characters that are not ASCII are replaced in the id. The service keeps its
 * name.
 */
export const idPrefix = (service: string): string => `${service.replace(/[^\x20-\x7e]/gu, "_")}-`

/** An id that no other instance has. */
export const newId = (service: string): Effect.Effect<string> =>
  Effect.map(
    Random.nextIntBetween(0, 2 ** 31),
    (number) => `${idPrefix(service)}${number.toString(16).padStart(8, "0")}`
  )

/** The end of the id of an instance, after the name of the service. */
const instanceNumber = /^[0-9a-f]{8}$/

/** Whether an id is one that {@link newId} makes for the service. */
export const isIdOf = (service: string, id: string): boolean => {
  const prefix = idPrefix(service)
  return id.startsWith(prefix) && instanceNumber.test(id.slice(prefix.length))
}

/** Registers an instance of `service` until the scope closes. Its check lives for `ttl` without a heartbeat. */
export const make = Effect.fnUntraced(function* (
  service: string,
  ttl: Duration.Duration
): Effect.fn.Return<Effect.Effect<Registered, ConsulError, Scope.Scope>, never, ConsulHttp | Scope.Scope> {
  const { agent } = yield* ConsulHttp
  /** Ids of the services of this process whose removal Consul has not confirmed. */
  const registered = yield* Ref.make(HashSet.empty<string>())

  const forget = (id: string) => Ref.update(registered, HashSet.remove(id))

  const deregister = (ids: Iterable<string>) =>
    Effect.forEach(ids, (id) => farewell(Effect.zipRight(agent.deregisterService(id), forget(id))), {
      concurrency: farewellsAtOnce,
      discard: true
    })

  // An attempt that lost its agent could not remove its service, and no later attempt may have begun.
  yield* Effect.addFinalizer(() => Effect.flatMap(Ref.get(registered), deregister))

  // Each attempt has a new id. Two processes may run on one agent. And if the answers to a former attempt's acquisition and to
  // its farewells were lost, the session that holds the lock ends only because no heartbeat has the id of its check.
  return Effect.gen(function* () {
    const id = yield* newId(service)
    const former = yield* Ref.getAndUpdate(registered, HashSet.add(id))
    yield* Effect.forkScoped(deregister(former))
    // In a fiber of its own: if this fiber is interrupted, the request may still land, and must have ended before the service is
    // removed.
    const registering = yield* Effect.forkDaemon(
      agent
        .registerService({ id, name: service, ttl, deregisterAfter, meta: { version } })
        .pipe(Effect.tapErrorTag("Denied", () => forget(id)))
    )
    yield* whenDone(
      farewell(Fiber.join(registering)).pipe(Effect.zipRight(Ref.get(registered)), Effect.flatMap(deregister))
    )
    yield* Fiber.join(registering)
    return { id, checkId: `service:${id}` }
  })
})
