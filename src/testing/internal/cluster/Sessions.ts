/**
 * Sessions, which hold locks. The end of a session releases or deletes its keys.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as GoDuration from "../../../internal/consul/GoDuration.js"
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Uuid from "../go/Uuid.js"
import * as Store from "./Store.js"

/** A session before its log entry. */
export type NewSession = Omit<Store.Session, "createIndex" | "modifyIndex">

/** The longest TTL, in nanoseconds: a day. */
const longestTtl = 86_400_000_000_000n

/** A session expires after this many TTLs without renewal, so that a slow client does not lose it. */
const ttlFactor = 2n

/** The longest lock delay, in nanoseconds: a minute. */
const longestLockDelay = 60_000_000_000n

/**
 * Validates a session, as the leader does before the log entry. Returns the behavior, or Consul's error. `ttlMin` is the least TTL,
 * in nanoseconds.
 */
export const validate = (
  session: { readonly node: ByteString; readonly behavior: ByteString; readonly ttl: ByteString },
  ttlMin: bigint
): Either.Either<Store.Session["behavior"], ByteString> => {
  const { behavior, ttl } = session
  if (session.node === "") return Either.left("Must provide Node")
  if (behavior !== "" && behavior !== "release" && behavior !== "delete") {
    return Either.left(`Invalid Behavior setting '${behavior}'`)
  }
  if (ttl !== "") {
    const parsed = GoDuration.parse(ttl)
    if (Either.isLeft(parsed)) return Either.left(`Session TTL '${ttl}' invalid: ${parsed.left}`)
    const nanoseconds = parsed.right
    if (nanoseconds !== 0n && (nanoseconds < ttlMin || nanoseconds > longestTtl)) {
      return Either.left(
        `Invalid Session TTL '${nanoseconds}', must be between [${goSeconds(ttlMin)}=24h0m0s]`
      )
    }
  }
  return Either.right(behavior === "" ? "release" : behavior)
}

/** Formats a duration of whole seconds as Go does: `1m0s`. */
const goSeconds = (nanoseconds: bigint): string => {
  const seconds = nanoseconds / 1_000_000_000n
  const minutes = seconds / 60n
  if (minutes === 0n) return `${seconds}s`
  const rest = `${minutes % 60n}m${seconds % 60n}s`
  return minutes < 60n ? rest : `${minutes / 60n}h${rest}`
}

/** The time without renewal after which the leader ends a session, in ms. None for a session without a TTL. */
export const expiresAfter = (session: Store.Session): Option.Option<number> => {
  const ttl = Either.getOrElse(GoDuration.parse(session.ttl), () => 0n)
  return ttl === 0n ? Option.none() : Option.some(GoDuration.toMillis(ttl * ttlFactor))
}

/** Finds a session by any spelling of its id. A text that is no id gives Consul's error. */
export const find = (
  state: Store.State,
  id: ByteString
): Either.Either<Store.Session | undefined, ByteString> =>
  Either.mapBoth(Uuid.parse(id), {
    onLeft: (problem) => `failed session lookup: index error: ${problem}`,
    onRight: (canonical) => OrderedMap.get(state.sessions, canonical)
  })

export const ofNode = (state: Store.State, node: ByteString): ReadonlyArray<Store.Session> =>
  OrderedMap.values(state.sessions).filter((session) => session.node.toLowerCase() === node.toLowerCase())

/** The checks of a session. The session ends when one of them becomes critical. */
export const checksOf = (session: NewSession): ReadonlyArray<ByteString> => [
  ...session.checks,
  ...session.nodeChecks,
  ...(session.serviceChecks ?? []).map((check) => check.id)
]

/** Creates a session. Fails if its node is missing, or if one of its checks is missing or critical. */
export const create = (draft: Store.Draft, session: NewSession): Either.Either<ByteString, ByteString> => {
  if (!OrderedMap.has(draft.state.nodes, session.node.toLowerCase())) {
    return Either.left("Missing node registration")
  }
  for (const id of checksOf(session)) {
    const check = OrderedMap.get(draft.state.checks, Store.nodeKey(session.node, id))
    if (check === undefined) return Either.left(`Missing check '${id}' registration`)
    if (check.status === "critical") return Either.left(`Check '${id}' is in critical state`)
  }
  const created = { ...session, createIndex: draft.index, modifyIndex: draft.index }
  const sessions = OrderedMap.set(draft.state.sessions, Uuid.canonical(session.id), created)
  draft.state = { ...draft.state, sessions }
  Store.touch(draft, "sessions")
  return Either.right(session.id)
}

/** Ends a session, if it exists. Releases or deletes its keys, and starts the lock delay of each key. */
export const destroy = (draft: Store.Draft, id: ByteString): Either.Either<void, ByteString> =>
  Either.map(find(draft.state, id), (session) => {
    if (session !== undefined) end(draft, session)
  })

const end = (draft: Store.Draft, session: Store.Session): void => {
  const keys = Store.heldBy(draft.state, session.id)
  const sessions = OrderedMap.remove(draft.state.sessions, Uuid.canonical(session.id))
  draft.state = { ...draft.state, sessions }
  draft.ended.push(session)
  Store.touch(draft, "sessions")
  for (const key of keys) {
    if (session.behavior === "release") Store.release(draft, key)
    else Store.remove(draft, key)
  }
  const delay = session.lockDelay < longestLockDelay ? session.lockDelay : longestLockDelay
  if (delay <= 0n || keys.length === 0) return
  const until = draft.now + GoDuration.toMillis(delay)
  const running = Array.from(draft.state.lockDelays).filter(([, expires]) => expires > draft.now)
  const lockDelays = new Map([...running, ...keys.map((key) => [key, until] as const)])
  draft.state = { ...draft.state, lockDelays }
}

/** Ends the sessions with a check that has become critical or was deregistered. */
export const endWithCheck = (draft: Store.Draft, node: ByteString, check: ByteString): void => {
  const name = check.toLowerCase()
  for (const session of ofNode(draft.state, node)) {
    if (checksOf(session).some((id) => id.toLowerCase() === name)) end(draft, session)
  }
}

/** Whether a lock delay of the key is running: no session can acquire its lock. */
export const isDelayed = (state: Store.State, key: ByteString, now: number): boolean =>
  (state.lockDelays.get(key) ?? 0) > now
