/**
 * The service of an instance in Consul's catalog: registered anew for each attempt to lead, and removed after it.
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

/** `id` is that of the service, `checkId` that of its check. */
export interface Registered {
  readonly id: string
  readonly checkId: string
}

/** Consul's floor; it looks for services to remove every 30 s. */
const deregisterAfter = Duration.minutes(1)

/** Services are removed so many at once. There is one, but for those that could not be removed before. */
const farewellsAtOnce = 8

/**
 * What the ids of all instances of a service begin with. Ids stand in paths, which carry emoji only as far as Consul's Go
 * knows them (1.8.7: Unicode 12): whatever is not ASCII is replaced there. The service keeps its name.
 */
export const idPrefix = (service: string): string => `${service.replace(/[^\x20-\x7e]/gu, "_")}-`

/** An id that no other instance has. */
export const newId = (service: string): Effect.Effect<string> =>
  Effect.map(
    Random.nextIntBetween(0, 2 ** 31),
    (number) => `${idPrefix(service)}${number.toString(16).padStart(8, "0")}`
  )

/** What follows the name of the service in the id of an instance. */
const instanceNumber = /^[0-9a-f]{8}$/

/** Whether an id is one that {@link newId} makes for the service. */
export const isIdOf = (service: string, id: string): boolean => {
  const prefix = idPrefix(service)
  return id.startsWith(prefix) && instanceNumber.test(id.slice(prefix.length))
}

/** Registers an instance of `service`, whose check lives for `ttl`, until the scope closes. */
export const make = Effect.fnUntraced(function* (
  service: string,
  ttl: Duration.Duration
): Effect.fn.Return<Effect.Effect<Registered, ConsulError, Scope.Scope>, never, ConsulHttp | Scope.Scope> {
  const { agent } = yield* ConsulHttp
  const registered = yield* Ref.make(HashSet.empty<string>())

  const forget = (id: string) => Ref.update(registered, HashSet.remove(id))

  /** Removes what this process has registered, and tries again what it could not remove before. */
  const deregister = (ids: Iterable<string>) =>
    Effect.forEach(ids, (id) => farewell(Effect.zipRight(agent.deregisterService(id), forget(id))), {
      concurrency: farewellsAtOnce,
      discard: true
    })

  // An attempt that lost its agent could not remove its service; the next one may not have come so far.
  yield* Effect.addFinalizer(() => Effect.flatMap(Ref.get(registered), deregister))

  // The id is new each time. Two processes may run on one agent; and where the answers to a former attempt's acquisition
  // and to its farewells were lost, the session that holds the lock ends only because nobody keeps the check of that id
  // passing.
  return Effect.gen(function* () {
    const id = yield* newId(service)
    const former = yield* Ref.getAndUpdate(registered, HashSet.add(id))
    yield* Effect.forkScoped(deregister(former))
    // A fiber of its own: where this one is interrupted, the request may still land, and must before it is undone.
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
