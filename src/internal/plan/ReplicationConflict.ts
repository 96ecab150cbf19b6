/**
 * Replications that cannot run beside each other, because one would write, delete or copy what another has written.
 *
 * @since 0.5.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import { type Replication, route } from "../../Replication.js"
import * as Exclusion from "./Exclusion.js"

/** The fields of a replication that decide whether it conflicts with others. */
type Subject = Pick<
  Replication,
  "destinationPrefix" | "exclude" | "prefix" | "source" | "sourceAgent" | "status"
>

/**
 * Why replications cannot run beside each other:
 *
 * | reason                | means                                                                                  |
 * | --------------------- | -------------------------------------------------------------------------------------- |
 * | `SameStatus`          | both write the status key `key`                                                        |
 * | `DestinationsOverlap` | both write the keys that begin with `key`, and each deletes what the other has written |
 * | `StatusInDestination` | the first would overwrite or delete `key`, the status of the second                    |
 * | `Circle`              | each copies what the one before it has written, under `key` in the first one's case    |
 *
 * @since 0.5.0
 * @category models
 */
export type Reason = "Circle" | "DestinationsOverlap" | "SameStatus" | "StatusInDestination"

interface Fields {
  readonly reason: Reason
  /** From where to where the replications copy, as `Replication.route`. Two, or all of a circle in their order. */
  readonly routes: readonly [string, string, ...ReadonlyArray<string>]
  /** See {@link Reason}. */
  readonly key: string
}

const messageOf = ({ key, reason, routes }: Fields): string => {
  const [first, second] = routes
  const quoted = JSON.stringify(key)
  switch (reason) {
    case "SameStatus":
      return `the replications ${first} and ${second} have the same status key ${quoted}; give each a status of its own`
    case "DestinationsOverlap":
      return (
        `the replications ${first} and ${second} would both write the keys that begin with ${quoted} at the destination; ` +
        "give one of them another destination, or exclude those keys from the other"
      )
    case "StatusInDestination":
      return (
        `the replication ${first} would overwrite or delete ${quoted}, the status of ${second}; ` +
        "keep the status outside of what is replicated"
      )
    case "Circle":
      return `the replications ${routes.join(", ")} copy in a circle: each copies what the one before it has written`
  }
}

/**
 * Replications that must not run beside each other. No request was sent.
 *
 * @since 0.5.0
 * @category errors
 */
export class ReplicationConflict extends Data.TaggedError("ReplicationConflict")<Fields> {
  override get message() {
    return messageOf(this)
  }
}

/** The fronts of the excluded keys, named as at the destination. */
const excludedThere = (replication: Subject): ReadonlyArray<string> =>
  Exclusion.make(replication, replication.exclude).atDestination

/** The longer of two texts that begin alike. Keys that begin with both begin with it. */
const common = (a: string, b: string): string | undefined =>
  a.startsWith(b) ? a : b.startsWith(a) ? b : undefined

/** The front of the keys that both ranges have; undefined if there are none, or all are `excluded`. */
const shared = (a: string, b: string, excluded: ReadonlyArray<string>): string | undefined => {
  const front = common(a, b)
  return front === undefined || excluded.some((one) => front.startsWith(one)) ? undefined : front
}

const ofPair = (a: Subject, b: Subject): ReplicationConflict | undefined => {
  const routes = [route(a), route(b)] as const
  if (a.status === b.status) {
    return new ReplicationConflict({ reason: "SameStatus", routes, key: a.status })
  }
  const both = shared(a.destinationPrefix, b.destinationPrefix, [...excludedThere(a), ...excludedThere(b)])
  if (both !== undefined) {
    return new ReplicationConflict({ reason: "DestinationsOverlap", routes, key: both })
  }
  for (const [one, other] of [[a, b] as const, [b, a] as const]) {
    const { status: key } = other
    if (!key.startsWith(one.destinationPrefix)) continue
    if (excludedThere(one).some((front) => key.startsWith(front))) continue
    return new ReplicationConflict({
      reason: "StatusInDestination",
      routes: [route(one), route(other)],
      key
    })
  }
  return undefined
}

/**
 * The first two replications of one destination that cannot run beside each other. A key that one of them excludes is not
 * shared. The lock, which all of them have, may be in any destination: no replication writes it.
 *
 * @since 0.5.0
 * @category validation
 */
export const find = (replications: ReadonlyArray<Subject>): Option.Option<ReplicationConflict> => {
  for (const [i, a] of replications.entries()) {
    for (const b of replications.slice(i + 1)) {
      const conflict = ofPair(a, b)
      if (conflict !== undefined) return Option.some(conflict)
    }
  }
  return Option.none()
}

/** The front of the keys that `a` writes and `b` copies, if `b` reads from the destination. */
const fed = (a: Subject, b: Subject): string | undefined =>
  shared(a.destinationPrefix, b.prefix, [...excludedThere(a), ...b.exclude])

/**
 * Replications that copy in a circle. `isLocal` returns whether the source of a replication is the destination itself. Only such
 * replications can be in a circle, since no replication writes to another cluster.
 *
 * A replication whose own destination is under its own prefix is checked by `Replication.validateIn`.
 *
 * @since 0.5.0
 * @category validation
 */
export const findCircle = <A extends Subject>(
  replications: ReadonlyArray<A>,
  isLocal: (replication: A) => boolean
): Option.Option<ReplicationConflict> => {
  const local = replications.filter(isLocal)
  const done = new Set<A>()
  const walk = (one: A, way: ReadonlyArray<A>): ReplicationConflict | undefined => {
    const begin = way.indexOf(one)
    const [first, second, ...others] = begin < 0 ? [] : way.slice(begin)
    if (first !== undefined && second !== undefined) {
      return new ReplicationConflict({
        reason: "Circle",
        routes: [route(first), route(second), ...others.map(route)],
        key: fed(first, second) ?? ""
      })
    }
    if (begin >= 0 || done.has(one)) return undefined
    for (const next of local) {
      const conflict = next === one || fed(one, next) === undefined ? undefined : walk(next, [...way, one])
      if (conflict !== undefined) return conflict
    }
    done.add(one)
    return undefined
  }
  for (const one of local) {
    const conflict = walk(one, [])
    if (conflict !== undefined) return Option.some(conflict)
  }
  return Option.none()
}
