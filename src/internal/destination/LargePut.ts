/**
 * Writes a value that fits no transaction: a PUT acquires its key with the session of the lock, which Consul refuses once
 * that session has ended, and a second PUT gives the key back.
 *
 * Nothing else holds back such a PUT that is late. A PUT whose fate is unknown, because its answer is lost or because the
 * fiber that sent it was interrupted, may land after a newer value. So its session is given up, and nothing is written
 * behind that session any more. The lock is free again only when the session has ended, and then the PUT is void.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { ConsulError } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import { LockLost } from "../../LeaderLock.js"
import type { Route } from "../../ReplicationEvent.js"
import type { Throttle } from "../consul/Throttle.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Write } from "../plan/Diff.js"
import type { DestinationKey } from "../plan/Mapping.js"
import * as SentRequests from "../report/SentRequests.js"
import { KeyLocked, KeyRefused, KeyTooLarge, type Refusal } from "./Refusal.js"
import { type Fence, valueBytes } from "./TransactionBatches.js"

/** PUTs of one key, one after another, that may have landed or not. */
interface Failures {
  readonly count: number
  /** What the last of them ended with. */
  readonly reason: string
  /** When the key is worth another PUT (ms, monotonic). */
  readonly restsUntil: number
}

interface GivenUp {
  readonly session: string
  readonly reason: string
}

/** What outlives the leadership that it was learned at the cost of. */
export interface Memory {
  /** The session that was given up last, and why. */
  readonly givenUp: Ref.Ref<Option.Option<GivenUp>>
  /** By key. */
  readonly failures: Ref.Ref<HashMap.HashMap<DestinationKey, Failures>>
  /** How many PUTs, of any keys, were answered with an error of the servers since the last that landed. */
  readonly errors: Ref.Ref<number>
}

export const makeMemory: Effect.Effect<Memory> = Effect.all({
  givenUp: Ref.make(Option.none<GivenUp>()),
  failures: Ref.make(HashMap.empty<DestinationKey, Failures>()),
  errors: Ref.make(0)
})

export interface LargePut {
  /** Writes the value and answers with nothing, or with why the destination refuses it. */
  readonly put: (write: Write) => Effect.Effect<Option.Option<Refusal>, ConsulError | LockLost>
  /** Fails when the session was given up. */
  readonly unlessGivenUp: Effect.Effect<void, LockLost>
}

/**
 * The last PUT of so many may cost the leadership. From then on what was put is taken for the cause: that key, or, where
 * errors of the servers follow one another whatever is put, each key.
 */
const fewTries = 3

/** A key whose PUTs are never answered rests for so long, and for twice as long after each further one. */
const firstRest = Duration.minutes(1)
const longestRest = Duration.hours(1)

/** Of more keys than that, the cause is not a single key: all of them are forgotten. */
const mostFailures = 1_000

const mayLand = "given up, since a large value may have landed or not"

/** How Consul (1.8.7) refuses to acquire a key for a session that has ended, also where another server says it. */
const sessionEnded = /^(?:rpc error making call: )*invalid session /

/** What an error of the first PUT says about it. */
type Verdict =
  | { readonly _tag: "Refused"; readonly refusal: Refusal }
  /** Nothing was written, and the cause is not the key. */
  | { readonly _tag: "Untouched" }
  /** It may have landed or may land; `answered` with an error of the servers. */
  | { readonly _tag: "Unknown"; readonly answered: boolean }
  | { readonly _tag: "SessionEnded" }

const judge = (key: string, error: ConsulError): Verdict => {
  switch (error._tag) {
    case "TooLarge":
      return { _tag: "Refused", refusal: new KeyTooLarge({ key, reason: error.reason }) }
    case "Denied":
      return { _tag: "Refused", refusal: new KeyRefused({ key, reason: error.reason }) }
    // Consul's own servers send a request again that failed so: `canRetry` in agent/consul/rpc.go.
    case "NoLeader":
    case "NoPathToDatacenter":
    case "RateLimited":
      return { _tag: "Untouched" }
    case "Rejected": {
      const { reason, status } = error
      if (sessionEnded.test(reason)) return { _tag: "SessionEnded" }
      // A request that timed out (408) may have come through.
      return status >= 400 && status < 500 && status !== 408
        ? { _tag: "Refused", refusal: new KeyRefused({ key, reason: `${status} ${reason}`.trim() }) }
        : { _tag: "Unknown", answered: true }
    }
    case "TooManyConnections":
      return error.isAnswered ? { _tag: "Untouched" } : { _tag: "Unknown", answered: false }
    default:
      return { _tag: "Unknown", answered: false }
  }
}

export const make = Effect.fnUntraced(function* (
  { lock, session }: Fence,
  { errors, failures, givenUp }: Memory,
  throttle: Throttle,
  replication: Route
): Effect.fn.Return<LargePut, never, ConsulHttp> {
  const { kv } = yield* ConsulHttp
  const lost = (reason: string) => new LockLost({ lock, reason })

  /** Counts a failure, and answers with how many there were. */
  const fail = Effect.fnUntraced(function* (key: DestinationKey, reason: string, answered: boolean) {
    const now = yield* Monotonic.now
    const inARow = answered ? yield* Ref.updateAndGet(errors, (n) => n + 1) : 0
    const ofKey = yield* Ref.modify(failures, (all) => {
      const count = 1 + Option.match(HashMap.get(all, key), { onNone: () => 0, onSome: ({ count }) => count })
      const rest = Duration.min(Duration.times(firstRest, 2 ** Math.min(count - fewTries, 10)), longestRest)
      // Once it is answered, the servers say for certain what the key holds: whatever was lost with a leader is lost.
      const restsUntil = answered || count < fewTries ? now : now + Duration.toMillis(rest)
      const others = HashMap.size(all) < mostFailures ? all : HashMap.empty<DestinationKey, Failures>()
      return [count, HashMap.set(others, key, { count, reason, restsUntil })] as const
    })
    return Math.max(inARow, ofKey)
  })

  type Failure = Refusal | ConsulError | LockLost

  const acquire = (entry: Write) =>
    Effect.catchAll(
      throttle.send(
        SentRequests.ofPut(
          replication,
          entry.key,
          valueBytes(entry.value)
        )(kv.put(entry, { acquire: session }))
      ),
      (error): Effect.Effect<never, Failure> => {
        const { key } = entry
        const verdict = judge(key, error)
        switch (verdict._tag) {
          case "Refused":
            return verdict.refusal
          case "Untouched":
            return error
          case "SessionEnded":
            return lost(error.message)
          case "Unknown":
            return Effect.flatMap(
              fail(key, error.message, verdict.answered),
              (count): Effect.Effect<never, Failure> =>
                verdict.answered && count >= fewTries
                  ? new KeyRefused({ key, reason: error.message })
                  : lost(`${mayLand}: ${error.message}`)
            )
        }
      }
    )

  const write = Effect.fnUntraced(function* (entry: Write): Effect.fn.Return<void, Failure> {
    const { key } = entry
    if (!(yield* acquire(entry))) return yield* new KeyLocked({ key })
    yield* Ref.update(failures, HashMap.remove(key))
    yield* Ref.set(errors, 0)
    // Giving the key back writes it again: without the value, Consul would leave it empty. Where that fails, the end
    // of the session gives it back.
    yield* Effect.mapError(throttle.send(kv.put(entry, { release: session })), (error) =>
      lost(`given up, since the key of a large value may still be locked: ${error.message}`)
    )
  })

  const resting = (key: DestinationKey) =>
    Effect.zipWith(Ref.get(failures), Monotonic.now, (all, now) =>
      Option.filter(HashMap.get(all, key), ({ restsUntil }) => restsUntil > now)
    )

  /** Neither an interrupted PUT nor one that failed for an unknown reason leaves the session in use. */
  const giveUpUnlessKnown = (exit: Exit.Exit<void, Failure>) => {
    if (Exit.isSuccess(exit)) return Effect.void
    const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
    if (failure !== undefined && failure._tag !== "LockLost") return Effect.void
    const reason = failure?.reason ?? `${mayLand}: whoever wrote it was interrupted`
    return Ref.set(givenUp, Option.some({ session, reason }))
  }

  const put: LargePut["put"] = Effect.fnUntraced(
    function* ({ flags, key, value }: Write): Effect.fn.Return<Option.Option<Refusal>, Failure> {
      const rest = yield* resting(key)
      if (Option.isSome(rest)) {
        return yield* new KeyRefused({ key, reason: rest.value.reason })
      }
      yield* Effect.onExit(write({ key, value, flags }), giveUpUnlessKnown)
      return Option.none()
    },
    Effect.catchTag("KeyLocked", "KeyTooLarge", "KeyRefused", (refusal) =>
      Effect.succeed(Option.some<Refusal>(refusal))
    )
  )

  const unlessGivenUp = Effect.flatMap(Ref.get(givenUp), (former) =>
    Option.isSome(former) && former.value.session === session ? lost(former.value.reason) : Effect.void
  )

  return { put, unlessGivenUp }
})
