/**
 * Writes a value that fits no transaction: a PUT acquires its key with the session of the lock, which Consul refuses once
 * that session has ended, and a second PUT gives the key back.
 *
 * Nothing else stops such a PUT that is late. A PUT without an answer, because the answer is lost or because the fiber that
 * sent it was interrupted, may land after a newer value. So its session is given up, and no transaction is sent behind that
 * session any more. The lock is free again only when the session has ended, and then the PUT is void.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { ConsulError } from "../../ConsulError.js"
import { type Consul, ConsulHttp } from "../../ConsulHttp.js"
import { type Leadership, LockLost } from "../../LeaderLock.js"
import type { Throttle } from "../consul/Throttle.js"
import * as Monotonic from "../effect/Monotonic.js"
import type { Route } from "../event/ReplicationEvent.js"
import type { Write } from "../plan/Diff.js"
import type { DestinationKey } from "../plan/Mapping.js"
import * as SentRequests from "../report/SentRequests.js"
import { KeyLocked, KeyRefused, KeyTooLarge, type Refusal } from "./Refusal.js"
import { type Fence, valueBytes } from "./TransactionBatches.js"

/** Consecutive PUTs of one key that may have landed or not. */
interface Failures {
  /** Number of PUTs. */
  readonly count: number
  /** The error of the last PUT. */
  readonly reason: string
  /** Before this time the key gets no other PUT: ms, monotonic. */
  readonly restsUntil: number
}

/** A session that was given up. */
interface GivenUp {
  /** The id of the session. */
  readonly session: string
  /** Why it was given up. */
  readonly reason: string
}

/** What one leadership has learned for the next ones of the process. */
export interface Memory {
  /** The session that was given up last. */
  readonly givenUp: Ref.Ref<Option.Option<GivenUp>>
  /** By key of the destination. */
  readonly failures: Ref.Ref<HashMap.HashMap<DestinationKey, Failures>>
  /** Number of PUTs, of any keys, that the servers have answered with an error since the last PUT that landed. */
  readonly errors: Ref.Ref<number>
}

export const makeMemory: Effect.Effect<Memory> = Effect.all({
  givenUp: Ref.make(Option.none<GivenUp>()),
  failures: Ref.make(HashMap.empty<DestinationKey, Failures>()),
  errors: Ref.make(0)
})

export interface LargePut {
  /** Writes the value. Returns none, or why the destination refuses the value. */
  readonly put: (write: Write) => Effect.Effect<Option.Option<Refusal>, ConsulError | LockLost>
  /** Fails if the session was given up. */
  readonly unlessGivenUp: Effect.Effect<void, LockLost>
}

/**
 * The number of failed PUTs after which a failure does not cost the leadership any more: then the cause is the key, if the PUTs
 * were of one key, or each key that is put, if the servers have answered the PUTs of any keys with errors.
 */
const fewTries = 3

/** The time without a PUT for a key whose PUTs are never answered. It doubles with each further PUT, up to `longestRest`. */
const firstRest = Duration.minutes(1)
const longestRest = Duration.hours(1)

/** The most keys with failures. If more keys fail, the cause is not a single key, and the failures of all are dropped. */
const mostFailures = 1_000

const mayLand = "given up, since a large value may have landed or not"

/** Consul's text (1.8.7) for a session that has ended, when a key is acquired. Another server may have forwarded it. */
const sessionEnded = /^(?:rpc error making call: )*invalid session /

/** The meaning of an error of the first PUT. */
type Verdict =
  | { readonly _tag: "Refused"; readonly refusal: Refusal }
  /** The PUT has written nothing, and the cause is not the key. */
  | { readonly _tag: "Untouched" }
  /** The PUT may have landed or may still land. `answered`: the servers have answered it with an error. */
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

/** The state and the services of the large values of one leadership. */
interface Puts extends Memory {
  /** The lock, and the session that acquires each key. */
  readonly fence: Fence
  readonly giveUp: Leadership["giveUp"]
  readonly kv: Consul["kv"]
  readonly throttle: Throttle
  /** The replication in the events of requests. */
  readonly replication: Route
}

type Failure = Refusal | ConsulError | LockLost

const lost = ({ fence: { lock } }: Puts, reason: string): LockLost => new LockLost({ lock, reason })

/** Counts a failure, and returns how many PUTs have failed that count together. */
const countFailure = Effect.fnUntraced(function* (
  { errors, failures }: Puts,
  key: DestinationKey,
  reason: string,
  answered: boolean
) {
  const now = yield* Monotonic.now
  const ofErrors = answered ? yield* Ref.updateAndGet(errors, (n) => n + 1) : 0
  const ofKey = yield* Ref.modify(failures, (all) => {
    const count = 1 + Option.match(HashMap.get(all, key), { onNone: () => 0, onSome: ({ count }) => count })
    const rest = Duration.min(Duration.times(firstRest, 2 ** Math.min(count - fewTries, 10)), longestRest)
    // After an answer a consistent read is certain: a write that an election has lost will not land.
    const restsUntil = answered || count < fewTries ? now : now + Duration.toMillis(rest)
    const others = HashMap.size(all) < mostFailures ? all : HashMap.empty<DestinationKey, Failures>()
    return [count, HashMap.set(others, key, { count, reason, restsUntil })] as const
  })
  return Math.max(ofErrors, ofKey)
})

/** Fails with what the error of the first PUT means. */
const failAcquire = (puts: Puts, key: DestinationKey, error: ConsulError): Effect.Effect<never, Failure> => {
  const verdict = judge(key, error)
  switch (verdict._tag) {
    case "Refused":
      return verdict.refusal
    case "Untouched":
      return error
    case "SessionEnded":
      return lost(puts, error.message)
    case "Unknown":
      return Effect.flatMap(
        countFailure(puts, key, error.message, verdict.answered),
        (count): Effect.Effect<never, Failure> =>
          verdict.answered && count >= fewTries
            ? new KeyRefused({ key, reason: error.message })
            : lost(puts, `${mayLand}: ${error.message}`)
      )
  }
}

/** Sends the first PUT. Returns false if another session holds the key. */
const acquire = (puts: Puts, entry: Write): Effect.Effect<boolean, Failure> => {
  const { fence, kv, replication, throttle } = puts
  const emitting = SentRequests.ofPut(replication, entry.key, valueBytes(entry.value))
  return Effect.catchAll(throttle.send(emitting(kv.put(entry, { acquire: fence.session }))), (error) =>
    failAcquire(puts, entry.key, error)
  )
}

/** Sends both PUTs. */
const write = Effect.fnUntraced(function* (puts: Puts, entry: Write): Effect.fn.Return<void, Failure> {
  const { errors, failures, fence, kv, throttle } = puts
  const { key } = entry
  if (!(yield* acquire(puts, entry))) return yield* new KeyLocked({ key })
  yield* Ref.update(failures, HashMap.remove(key))
  yield* Ref.set(errors, 0)
  // A PUT that gives the key back writes it again: without the value, Consul would leave it empty. If that PUT fails, the end of
  // the session gives the key back.
  yield* Effect.mapError(throttle.send(kv.put(entry, { release: fence.session })), (error) =>
    lost(puts, `given up, since the key of a large value may still be locked: ${error.message}`)
  )
})

/** The failures of a key that gets no other PUT yet. */
const resting = ({ failures }: Puts, key: DestinationKey): Effect.Effect<Option.Option<Failures>> =>
  Effect.zipWith(Ref.get(failures), Monotonic.now, (all, now) =>
    Option.filter(HashMap.get(all, key), ({ restsUntil }) => restsUntil > now)
  )

/** Gives the session up after a PUT that may still land: it was interrupted, or failed for an unknown reason. */
const giveUpAfter = (
  { fence: { session }, giveUp, givenUp }: Puts,
  exit: Exit.Exit<void, Failure>
): Effect.Effect<void> => {
  if (Exit.isSuccess(exit)) return Effect.void
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (failure !== undefined && failure._tag !== "LockLost") return Effect.void
  const reason = failure?.reason ?? `${mayLand}: its PUT was interrupted`
  const remember = Ref.set(givenUp, Option.some({ session, reason }))
  // An interrupted replication does not fail. Other replications that lead with the session must lose it all the same.
  return failure === undefined ? Effect.zipRight(remember, giveUp(reason)) : remember
}

const put = Effect.fnUntraced(
  function* (puts: Puts, { flags, key, value }: Write): Effect.fn.Return<Option.Option<Refusal>, Failure> {
    const rest = yield* resting(puts, key)
    if (Option.isSome(rest)) return yield* new KeyRefused({ key, reason: rest.value.reason })
    yield* Effect.onExit(write(puts, { key, value, flags }), (exit) => giveUpAfter(puts, exit))
    return Option.none()
  },
  Effect.catchTag("KeyLocked", "KeyTooLarge", "KeyRefused", (refusal) =>
    Effect.succeed(Option.some<Refusal>(refusal))
  )
)

const unlessGivenUp = (puts: Puts): Effect.Effect<void, LockLost> =>
  Effect.flatMap(Ref.get(puts.givenUp), (former) =>
    Option.isSome(former) && former.value.session === puts.fence.session
      ? lost(puts, former.value.reason)
      : Effect.void
  )

export const make = (
  { fence, giveUp }: Pick<Leadership, "fence" | "giveUp">,
  memory: Memory,
  throttle: Throttle,
  replication: Route
): Effect.Effect<LargePut, never, ConsulHttp> =>
  Effect.map(ConsulHttp, ({ kv }) => {
    const puts: Puts = { ...memory, fence, giveUp, kv, throttle, replication }
    return { put: (write) => put(puts, write), unlessGivenUp: unlessGivenUp(puts) }
  })
