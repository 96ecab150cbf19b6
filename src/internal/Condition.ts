/**
 * Something that can be in trouble for a while, and that is said once when trouble begins, takes another kind and ends,
 * however often it is tried in between.
 */
import * as Effect from "effect/Effect"
import * as HashSet from "effect/HashSet"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"

export interface Condition {
  /** `kind` tells two troubles apart; the message of the first of a kind is said, until all is fine again. */
  readonly trouble: (kind: string, message: string) => Effect.Effect<void>
  readonly fine: Effect.Effect<void>
}

export const make = (recovered: string): Effect.Effect<Condition> =>
  Effect.map(Ref.make(HashSet.empty<string>()), (said) => ({
    // Two troubles may take turns: each is said once all the same.
    trouble: (kind, message) =>
      Effect.flatMap(
        Ref.getAndUpdate(said, (kinds) =>
          HashSet.size(kinds) < mostKinds ? HashSet.add(kinds, kind) : kinds
        ),
        (before) =>
          HashSet.has(before, kind) || HashSet.size(before) === mostKinds
            ? Effect.void
            : Effect.logWarning(message)
      ),
    fine: Effect.flatMap(Ref.getAndSet(said, HashSet.empty()), (before) =>
      HashSet.size(before) === 0 ? Effect.void : Effect.logInfo(recovered)
    )
  }))

/** Of one trouble nobody would read more, if its text cannot be told from that of others after all. */
const mostKinds = 20

/**
 * Conditions that are one to whoever reads: trouble begins with the first of them that is in it, which speaks for all,
 * and ends with the last. One that is closed is in trouble no more.
 */
export const shared = (condition: Condition): Effect.Effect<Condition, never, Scope.Scope> => {
  const open = new Set<symbol>()
  const troubled = new Set<symbol>()
  return Effect.gen(function* () {
    const member = Symbol()
    open.add(member)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        open.delete(member)
        troubled.delete(member)
      })
    )
    return {
      trouble: (kind, message) =>
        Effect.suspend(() => {
          // What it left behind may still fail.
          if (open.has(member)) troubled.add(member)
          const [speaker] = troubled
          return speaker === member ? condition.trouble(kind, message) : Effect.void
        }),
      fine: Effect.suspend(() => {
        troubled.delete(member)
        return troubled.size === 0 ? condition.fine : Effect.void
      })
    }
  })
}

/** What a failure tells of its cause: what it is about, and what Consul said to which request. */
interface Failure {
  readonly _tag: string
  readonly message: string
  readonly key?: string
  readonly lock?: string
  readonly reason?: string
  readonly request?: string
}

/** An address, an id, a time: a word with a digit in it. */
const varying = /[\w.:[\]-]*\d[\w.:[\]-]*/g

/** Tells failures apart by their causes, and not by what varies from one attempt to the next. */
export const kindOf = ({ _tag, key = "", lock = "", reason = "", request = "" }: Failure): string => {
  switch (_tag) {
    // One cause has many words: refused, reset, timed out.
    case "Unreachable":
    case "UnexpectedAnswer":
      return _tag
    // Consul 1.8 does not say what is denied; the path would name each part of a prefix.
    case "Denied":
      return `${_tag} ${/^\w+ \/v1\/\w+/.exec(request)?.[0] ?? ""} ${reason.replace(varying, "#")}`
    default:
      return `${_tag} ${key} ${lock} ${reason.replace(varying, "#")}`
  }
}

/** Says the trouble of a failure by its kind, and its end at the next success. */
export const watch =
  (condition: Condition, what: string) =>
  <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.tapError((error) => condition.trouble(kindOf(error), `${what}: ${error.message}`)),
      Effect.zipLeft(condition.fine)
    )
