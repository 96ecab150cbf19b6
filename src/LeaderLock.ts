/**
 * Leadership among the instances of a datacenter: Consul's lock, held by a session that ends with this process.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ConsulError } from "./ConsulError.js"
import { type CheckStatus, ConsulHttp } from "./ConsulHttp.js"
import * as Condition from "./internal/Condition.js"
import { raceFirst } from "./internal/effect/raceFirst.js"
import { farewell, whenDone } from "./internal/lock/Farewell.js"
import * as LockSession from "./internal/lock/LockSession.js"
import * as Registration from "./internal/lock/Registration.js"
import * as Shown from "./internal/Shown.js"
import { Waits } from "./internal/Waits.js"
import * as WatchedKey from "./internal/WatchedKey.js"
import type { KeyValue } from "./KeyValue.js"
import { Operation } from "./Operation.js"
import * as Schedules from "./Schedules.js"
import { type Fence, fenceOperation } from "./Transaction.js"
import { version } from "./Version.js"

/**
 * The lock is not ours any more, or can't be known to be; where it `isAwaited`, it was not ours yet, and what it was
 * awaited with is gone.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockLost extends Data.TaggedError("LockLost")<{
  readonly lock: string
  readonly reason: string
  readonly isAwaited?: boolean
}> {
  override get message() {
    return `${this.isAwaited === true ? "cannot stand by for" : "lost"} the lock ${this.lock}: ${this.reason}`
  }
}

/**
 * What the check of the service shows. A warning is for people: it renews the time to live as passing does, and the
 * lock stays. The role stands before the output: `leading: ` or `standing by: `.
 *
 * The output is for what lasts, not for figures that change all the time: an agent (1.8.7) passes a change on to its
 * servers, and if these have no leader then, it confirms no heartbeat for 7 to 14 s. A change of the output alone reaches
 * the servers within `check_update_interval` (5 minutes unless configured) and a half of it.
 *
 * @since 0.5.0
 * @category models
 */
export interface Health {
  readonly status: Exclude<CheckStatus, "critical">
  readonly output: string
}

/**
 * @since 0.5.0
 * @category models
 */
export const passing: Health = { status: "passing", output: `consul-replicate ${version}` }

/**
 * Held from the acquisition to the end of its scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leadership {
  /** The id of its service in Consul's catalog. */
  readonly instance: string
  /** What every transaction must carry. */
  readonly fence: Fence
  /** Never succeeds, and fails when the lock is lost. */
  readonly lost: Effect.Effect<never, LockLost>
  /** Sets what the check is to show, {@link passing} until then. Heartbeats tell Consul when its servers have a leader. */
  readonly report: (health: Health) => Effect.Effect<void>
  /**
   * Sets what is written when the leader gives the lock back, in one transaction with the lock's value: asked for then,
   * behind the fence, and once more after a conflict. It is not written when the lock was lost, when it fails, or when it
   * takes longer than a second: nothing may delay the next leader.
   *
   * @since 0.5.0
   */
  readonly onResign: (operations: Effect.Effect<ReadonlyArray<Operation>, ConsulError>) => Effect.Effect<void>
}

/**
 * `lock` is the key; `service` the name under which all instances stand in Consul's catalog, each with its own id.
 * `purpose` says what its holder does: whoever stands by for another purpose is warned, since all who share a lock must
 * do the same. `ttl` is that of the service's check, {@link Schedules.checkTtl} unless given.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaderLockOptions {
  readonly lock: string
  readonly service: string
  readonly purpose?: string | undefined
  readonly ttl?: Duration.DurationInput | undefined
}

/**
 * The lock's value: who holds it, or, when no session holds the key, who held it last. `until` when that instance gave it
 * back; absent while it is held, and after an instance that ended without a chance to write it.
 *
 * @since 0.1.0
 * @category schemas
 */
export class Holder extends Schema.Class<Holder>("consul-replicate/LeaderLock/Holder")({
  node: Schema.String,
  pid: Schema.Number,
  version: Schema.String,
  since: Schema.DateTimeUtc,
  // Absent before 0.5.0.
  until: Schema.optional(Schema.DateTimeUtc),
  // Absent before 0.5.0.
  purpose: Schema.optional(Schema.String)
}) {}

const HolderJson = Schema.parseJson(Holder)

/**
 * @since 0.1.0
 * @category tags
 */
export class LeaderLock extends Context.Tag("consul-replicate/LeaderLock")<
  LeaderLock,
  {
    /**
     * Waits for the lock, as long as it takes. Fails when Consul can't be asked, or takes away the session while
     * standing by; then acquire again. When the scope closes, the lock is free at once and nothing is left in
     * Consul but the lock's value, which then says until when it was held.
     */
    readonly acquire: Effect.Effect<Leadership, ConsulError | LockLost, Scope.Scope>
    /** Runs `use` while leading, interrupts it when the lock is lost, and gives the lock back after it. */
    readonly lead: <A, E, R>(
      use: (leadership: Leadership) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | ConsulError | LockLost, Exclude<R, Scope.Scope>>
  }
>() {}

/** For the last transaction of a leader. The next leader waits for it. */
const resignTimeout = Duration.seconds(1)

const make = Effect.fnUntraced(function* (options: LeaderLockOptions) {
  const consul = yield* ConsulHttp
  const { lock, purpose, service } = options
  const ttl = Duration.decode(options.ttl ?? Schedules.checkTtl)
  const lost = (reason: string) => new LockLost({ lock, reason })

  const registration = yield* Registration.make(service, ttl)
  const session = yield* LockSession.make(service, ttl)

  /**
   * Keeps the check from turning critical; fails when Consul has not confirmed that for longer than the check's time
   * to live, for then it has released the lock. Time is measured from before each request, and monotonic.
   */
  const heartbeat = Effect.fnUntraced(function* (checkId: string, { told }: Shown.Shown) {
    const limit = Duration.unsafeToNanos(ttl)
    let confirmed = yield* Clock.currentTimeNanos
    const overdue = Effect.map(Clock.currentTimeNanos, (now) => now - confirmed > limit)
    const beat = Effect.gen(function* () {
      const sent = yield* Clock.currentTimeNanos
      yield* consul.agent.updateCheck(checkId, yield* told)
      confirmed = sent
    }).pipe(Effect.timeout(Schedules.heartbeatInterval(ttl)))
    while (!(yield* overdue)) {
      const next = yield* beat.pipe(
        Effect.as(Schedules.heartbeatInterval(ttl)),
        Effect.catchAll((error) =>
          Effect.as(Effect.logDebug(`heartbeat: ${error.message}`), Schedules.heartbeatRetry(ttl))
        )
      )
      yield* Effect.sleep(next)
    }
    return yield* lost(`Consul has confirmed no heartbeat for ${Duration.format(ttl)}`)
  })

  const waits = yield* Waits
  /** The wait for the lock, of all attempts to lead. */
  const turn = {}

  /** Logs who holds the lock, shows it by the check, and tells {@link Waits}. */
  const announce = Effect.fnUntraced(function* (entry: Option.Option<KeyValue>, shown: Shown.Shown) {
    const held = Option.filter(entry, ({ session }) => session !== undefined)
    const holder = Option.flatMap(held, holderOf)
    const unknown = Option.isSome(held)
      ? `another instance holds ${lock}`
      : `another tool left a lock delay on ${lock}, which is free`
    const who = Option.match(holder, {
      onNone: () => unknown,
      onSome: ({ node, pid, since }) =>
        `${lock} is held by pid ${pid} on ${node} since ${DateTime.formatIso(since)}`
    })
    const output = `standing by: ${who}`
    yield* shown.want({ ...passing, output })
    yield* waits.waiting(turn, "Turn", output)
    const theirs = Option.getOrUndefined(holder)?.purpose
    yield* purpose === undefined || theirs === undefined || purpose === theirs
      ? Effect.logInfo(output)
      : Effect.logWarning(
          `${output} for ${theirs}, not for ${purpose}: a lock serves one replication; give this one a -lock and a -status ` +
            "of its own"
        )
  })

  const isHeld = (entry: Option.Option<KeyValue>) => Option.exists(entry, (e) => e.session !== undefined)

  const condition = yield* Condition.make(`the lock ${lock} can be used`)
  const key = WatchedKey.make(consul, lock, Condition.watch(condition, `cannot read the lock ${lock}`))

  /**
   * Blocks while another session holds the lock, and returns what the lock's value is then. One that is free and still
   * refused is under a lock delay. A limited rate is waited out: to stand anew would take more requests.
   */
  const contend = Effect.fnUntraced(function* (
    session: string,
    holder: Effect.Effect<Holder>,
    shown: Shown.Shown
  ) {
    let said = ""
    const take = (value: Holder) =>
      Effect.flatMap(encoded(value), (value) =>
        consul.kv.put({ key: lock, value }, { acquire: session })
      ).pipe(
        Condition.watch(condition, `cannot take the lock ${lock}`),
        Effect.retry({ schedule: Schedules.reconnect, while: ({ _tag }) => _tag === "RateLimited" })
      )
    for (;;) {
      const value = yield* holder
      if (yield* take(value)) {
        yield* waits.over(turn)
        return value
      }
      const entry = yield* key.now
      const owner = Option.getOrElse(
        Option.map(entry, (e) => e.session ?? ""),
        () => ""
      )
      if (owner !== said) yield* announce(entry, shown)
      said = owner
      if (owner === "") yield* Effect.sleep(Schedules.lockDelayPoll)
      else yield* key.when((entry) => !isHeld(entry))
    }
  })

  /** Fails as soon as the lock is not held by `session`; trouble in asking says nothing about the lock. */
  const guard = Effect.fnUntraced(function* (session: string) {
    const entry = yield* key.when((e) => !Option.exists(e, (held) => held.session === session))
    return yield* lost(
      Option.match(entry, {
        onNone: () => "the key was deleted",
        onSome: (e) =>
          e.session === undefined ? "the session ended or gave it back" : "another session holds it"
      })
    )
  })

  /** The last transaction of a leader: until when it held the lock, and what it adds. */
  const resign = (
    fence: Fence,
    value: Holder,
    last: Ref.Ref<Effect.Effect<ReadonlyArray<Operation>, ConsulError>>
  ) =>
    Effect.gen(function* () {
      const operations = yield* Effect.flatten(Ref.get(last))
      const until = yield* DateTime.now
      const ended = yield* encoded(new Holder({ ...value, until }))
      yield* consul.transaction(
        [fenceOperation(fence), Operation.Set({ key: lock, value: ended, flags: 0n }), ...operations],
        { results: false }
      )
    }).pipe(
      // What was on its way when the leader was stopped may have landed just now.
      Effect.retry({ times: 1, while: ({ _tag }) => _tag === "Conflict" }),
      (transaction) => farewell(transaction, resignTimeout)
    )

  const agent = yield* Condition.make("this instance can stand for leadership")

  const acquire = Effect.gen(function* () {
    const failed = yield* Deferred.make<never, LockLost | ConsulError>()
    const shown = yield* Shown.make(passing)
    const supervise = (effect: Effect.Effect<never, LockLost | ConsulError>) =>
      Effect.forkScoped(Effect.catchAllCause(effect, (cause) => Deferred.failCause(failed, cause)))

    const { checkId, held, id, node } = yield* Effect.gen(function* () {
      const { node } = yield* consul.agent.self
      const { checkId, id } = yield* registration
      yield* supervise(heartbeat(checkId, shown))
      return { checkId, held: yield* session.create(checkId), id, node }
    }).pipe(Condition.watch(agent, "cannot stand for leadership"))

    const holder = Effect.map(
      DateTime.now,
      (since) => new Holder({ node, pid: process.pid, version, since, purpose })
    )
    yield* supervise(Effect.zipRight(session.renew(held, checkId, shown), lost("the session ended")))
    const unlessFailed = Effect.mapError(Deferred.await(failed), (error) =>
      error._tag === "LockLost" ? new LockLost({ ...error, isAwaited: true }) : error
    )
    const value = yield* Effect.raceFirst(contend(held.id, holder, shown), unlessFailed)
    const fence: Fence = { lock, session: held.id }
    const last = yield* Ref.make<Effect.Effect<ReadonlyArray<Operation>, ConsulError>>(Effect.succeed([]))
    yield* whenDone(Effect.unlessEffect(resign(fence, value, last), Deferred.isDone(failed)))
    const report = (health: Health) => shown.want({ ...health, output: `leading: ${health.output}` })
    yield* report(passing)
    yield* Effect.logInfo(`leading: ${id} holds ${lock}`)
    yield* supervise(guard(held.id))
    return {
      instance: id,
      fence,
      lost: Effect.mapError(Deferred.await(failed), (error) =>
        error._tag === "LockLost" ? error : lost(error.message)
      ),
      report,
      onResign: (operations: Effect.Effect<ReadonlyArray<Operation>, ConsulError>) =>
        Ref.set(last, operations)
    }
  }).pipe(Effect.withSpan("LeaderLock.acquire"))

  return LeaderLock.of({
    acquire,
    lead: (use) =>
      Effect.scoped(Effect.flatMap(acquire, (leadership) => raceFirst(use(leadership), leadership.lost)))
  })
})

const encoded = (holder: Holder): Effect.Effect<string> =>
  Effect.orDie(Effect.map(Schema.encode(HolderJson)(holder), Encoding.encodeBase64))

/** None when the value is of another program or an older release. */
const holderOf = (entry: KeyValue): Option.Option<Holder> =>
  Option.flatMap(Option.getRight(Encoding.decodeBase64String(entry.value)), Schema.decodeOption(HolderJson))

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: LeaderLockOptions): Layer.Layer<LeaderLock, never, ConsulHttp> =>
  Layer.scoped(LeaderLock, make(options))
