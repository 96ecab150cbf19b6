/**
 * Every schedule that something is retried on, and every interval that follows from another, in one place.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

/** Whole milliseconds: `TestClock` cannot tell the nanoseconds of a fraction of one, and dies of it. */
const whole = (duration: Duration.Duration): Duration.Duration =>
  Duration.millis(Math.round(Duration.toMillis(duration)))

/**
 * For whatever depends on a server that is away: quick at first, since elections take a second or two, then every 5
 * s, which a server that comes back bears from any number of instances. Jitter keeps those from coming in step.
 *
 * @since 0.1.0
 * @category schedules
 */
export const reconnect = Schedule.exponential("100 millis", 2).pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.jittered,
  Schedule.modifyDelay((_, delay) => whole(delay))
)

/**
 * Between two attempts to lead. Starts over after a minute of leading or standing by, so that a lock lost once a day
 * is stood for again at once.
 *
 * @since 0.1.0
 * @category schedules
 */
export const retryLeadership = reconnect.pipe(Schedule.resetAfter("1 minute"))

/**
 * After an error while applying, before both sides are compared in full again. It starts over when they have been, and
 * not while that fails: `Schedule.resetAfter` counts from the first of the failures.
 *
 * @since 0.1.0
 * @category schedules
 */
export const retryApply = reconnect

/**
 * For a read of the destination that had no answer, before the whole pass is tried again: an address behind which one of
 * several servers is away refuses some connections, and a pass of many reads would never end. Nothing is tried again after a
 * read that took 2 s to fail.
 *
 * @since 0.5.0
 * @category schedules
 */
export const retryRead = reconnect.pipe(Schedule.upTo("2 seconds"))

/**
 * Between a doubtful read of the source and the one that settles it: a source that keeps giving wrong answers at once
 * is asked every 5 s, and a few times more at the beginning of each minute.
 *
 * @since 0.5.0
 * @category schedules
 */
export const retryDoubtful = retryLeadership

/**
 * How long nothing need be heard of a source before the check of the service warns. Where nothing changes, the watch says
 * so about once a minute.
 *
 * @since 0.5.0
 * @category intervals
 */
export const silenceLimit = Duration.minutes(2)

/**
 * How often it is looked whether a source that is silent is heard again. Costs nothing but the look.
 *
 * @since 0.5.0
 * @category intervals
 */
export const silencePoll = Duration.seconds(1)

/**
 * Between two tries of keys that the destination refuses, at most. Changes wait while they are tried, which is a moment unless
 * their values are large: each costs two reads and a write.
 *
 * @since 0.5.0
 * @category intervals
 */
export const refusedInterval = Duration.minutes(1)

/**
 * When to reconcile.
 *
 * @since 0.5.0
 * @category intervals
 */
export interface ReconcileRhythm {
  /** From the end of one tick to the next. */
  readonly tick: Duration.Duration
  /** The destination is scanned for drift with every so many ticks; `Infinity` for never. */
  readonly scanEvery: number
  /** Refused keys are tried again with every so many ticks. */
  readonly retryEvery: number
}

/**
 * Scans each `reconcile`, or never if that is zero. Refused keys are tried with the same ticks: with those that make about a
 * minute, or with ticks between two scans that are further apart.
 *
 * @since 0.5.0
 * @category intervals
 */
export const reconcileRhythm = (reconcile: Duration.Duration): ReconcileRhythm => {
  if (Duration.isZero(reconcile)) {
    return { tick: refusedInterval, scanEvery: Number.POSITIVE_INFINITY, retryEvery: 1 }
  }
  const share = Duration.toMillis(reconcile) / Duration.toMillis(refusedInterval)
  const scanEvery = Math.ceil(share)
  return {
    tick: whole(Duration.times(reconcile, 1 / scanEvery)),
    scanEvery,
    retryEvery: Math.max(1, Math.floor(1 / share))
  }
}

/**
 * How long the service's check passes without a heartbeat. Consul releases the lock of a killed leader this long
 * after its last one (3.0 s measured with 3 s), so it bounds the failover; below 3 s a paused process loses it easily.
 *
 * @since 0.1.0
 * @category intervals
 */
export const checkTtl = Duration.seconds(3)

/**
 * Three heartbeats fit the time to live, so that two may be lost before the check is critical.
 *
 * @since 0.1.0
 * @category intervals
 */
export const heartbeatInterval = (ttl: Duration.Duration): Duration.Duration =>
  whole(Duration.times(ttl, 1 / 3))

/**
 * After a failed heartbeat the next one follows soon: what is left of the time to live is short.
 *
 * @since 0.1.0
 * @category intervals
 */
export const heartbeatRetry = (ttl: Duration.Duration): Duration.Duration =>
  whole(Duration.times(ttl, 1 / 10))

/**
 * The time to live of the lock's session itself, which Consul (1.8.7) lets live up to twice as long. The check ends it
 * sooner, unless the agent cannot tell the servers of that: with a token that was deleted it never does.
 *
 * @since 0.5.0
 * @category intervals
 */
export const sessionTtl = Duration.seconds(30)

/**
 * The time to live of the lock's session where nothing else ends it: without an agent. Consul (1.8.7) lets a session live
 * twice as long after its last renewal, or after an election, so that the next leader follows a killed one within 30 s.
 *
 * @since 0.5.0
 * @category intervals
 */
export const agentlessSessionTtl = Duration.seconds(15)

/**
 * Between two renewals of a session that nothing else keeps alive, and how long each may take. While the servers have no
 * leader, none is confirmed: the lock outlasts elections of four fifths of the time to live.
 *
 * @since 0.5.0
 * @category intervals
 */
export const agentlessRenewalInterval = (ttl: Duration.Duration): Duration.Duration =>
  whole(Duration.times(ttl, 1 / 5))

/**
 * Three renewals fit the time to live of a session.
 *
 * @since 0.5.0
 * @category intervals
 */
export const renewalInterval = (ttl: Duration.Duration): Duration.Duration =>
  whole(Duration.times(ttl, 1 / 3))

/**
 * Pauses before trouble that lasts is logged again: a minute and five minutes after it began.
 *
 * @since 0.5.0
 * @category intervals
 */
export const firstReminders: ReadonlyArray<Duration.Duration> = [Duration.minutes(1), Duration.minutes(4)]

/**
 * Between two log lines about trouble that has lasted for more than five minutes.
 *
 * @since 0.5.0
 * @category intervals
 */
export const reminderInterval = Duration.minutes(15)

/**
 * How long a lock that is free but refused, because another tool's session left a lock delay on it, is left alone.
 *
 * @since 0.1.0
 * @category intervals
 */
export const lockDelayPoll = Duration.seconds(1)

/**
 * How long a blocking query blocks. An idle watch costs one request a minute, and a connection that died without a
 * word is noticed soon after.
 *
 * @since 0.1.0
 * @category intervals
 */
export const watchWait = Duration.minutes(1)

/**
 * How long the blocking query of a part blocks whose watch began so long ago. Consul keeps the queries of a process that
 * has ended until their time is up, and refuses an address with 200 connections: so none outlasts its process by more
 * than twice the age of that, and one that is restarted again and again finds room. At rest the ends of these queries are
 * much of what there is to do (3 ms of CPU each), which is why they block for longer than that of the whole.
 *
 * @since 0.5.0
 * @category intervals
 */
export const shardWait = (age: Duration.Duration): Duration.Duration =>
  Duration.clamp(Duration.times(age, 2), { minimum: Duration.seconds(1), maximum: Duration.minutes(3) })

/**
 * Between two looks at the names of all keys of a prefix that is watched in parts: a new key that belongs to none of
 * them is seen within a second.
 *
 * @since 0.5.0
 * @category intervals
 */
export const pollInterval = Duration.millis(500)

/**
 * The same for a prefix whose names take so long to list: about a tenth of the time goes into looking, which takes 26 ms for
 * 100,000 keys. One that answers slowly for a while costs no more than ten seconds.
 *
 * @since 0.5.0
 * @category intervals
 */
export const pollPause = (took: Duration.Duration): Duration.Duration =>
  Duration.clamp(Duration.millis(Math.round(9 * Duration.toMillis(took))), {
    minimum: pollInterval,
    maximum: Duration.seconds(10)
  })

/**
 * How long a busy source may go without being asked whether its parts have said everything; a quiet one is asked at
 * once.
 *
 * @since 0.5.0
 * @category intervals
 */
export const verifyInterval = Duration.seconds(5)

/**
 * How long a part that has changed may take to say so, before its query is given up and its keys are read again.
 *
 * @since 0.5.0
 * @category intervals
 */
export const shardTimeout = Duration.seconds(2)

/**
 * Before a watch starts over whose query was broken off.
 *
 * @since 0.1.0
 * @category intervals
 */
export const restartPause = Duration.seconds(1)

/**
 * How long a source is silent about a part before it is asked whether it answers at all. A wait of a minute takes up to 64
 * s, so that at rest nobody asks.
 *
 * @since 0.5.0
 * @category intervals
 */
export const pulseAfter = Duration.seconds(80)

/**
 * How often the silence of a source is looked at.
 *
 * @since 0.5.0
 * @category intervals
 */
export const pulseInterval = Duration.seconds(15)

/**
 * How long a blocking query must have blocked for its end to count as the end of its wait, when something between here and
 * Consul cuts it off: balancers allow at least so long, and what fails sooner is a failure.
 *
 * @since 0.5.0
 * @category intervals
 */
export const cutOffAfter = Duration.seconds(5)

/**
 * For how long an unmoved `X-Consul-Index` says that nothing changed under a prefix. Consul forgets a delete after 15
 * minutes, and with it the index that it gave to the prefix.
 *
 * @since 0.5.0
 * @category intervals
 */
export const indexMaxAge = Duration.minutes(10)

/**
 * How long an answer may be on its way and wait to be dealt with, while newer ones are. The body of a large one may take
 * two minutes to arrive.
 *
 * @since 0.5.0
 * @category intervals
 */
export const answerMaxAge = Duration.minutes(3)
