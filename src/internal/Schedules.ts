/**
 * The schedules of all retries, and the intervals of everything that happens from time to time.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

/** Rounds to whole milliseconds: `TestClock` fails with fractions of one. */
const whole = (duration: Duration.Duration): Duration.Duration =>
  Duration.millis(Math.round(Duration.toMillis(duration)))

/**
 * Attempts to reach a server that does not answer. The first ones follow quickly, since elections take a second or two. Then one
 * follows every 5 s, so that a server that comes back can bear any number of instances. Jitter keeps the instances out of step.
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
 * The pauses between attempts to lead. They are short again after a minute of leading or standing by: an instance that loses the
 * lock once a day stands for it again at once.
 *
 * @since 0.1.0
 * @category schedules
 */
export const retryLeadership = reconnect.pipe(Schedule.resetAfter("1 minute"))

/**
 * The pauses after a failed pass, before both sides are compared in full again. They are short again after a full comparison, and
 * not while comparisons fail. (`Schedule.resetAfter` would count from the first failure.)
 *
 * @since 0.1.0
 * @category schedules
 */
export const retryApply = reconnect

/**
 * Attempts to read the destination before the whole pass fails. An address with several servers behind it, one of which is away,
 * refuses some connections: without these attempts a pass of many reads would never end. After 2 s there are no more attempts.
 *
 * @since 0.5.0
 * @category schedules
 */
export const retryRead = reconnect.pipe(Schedule.upTo("2 seconds"))

/**
 * The pauses between a doubtful answer of the source and the read that confirms or corrects it. A source that answers wrongly
 * all the time is asked every 5 s, and a few times more at the beginning of each minute.
 *
 * @since 0.5.0
 * @category schedules
 */
export const retryDoubtful = retryLeadership

/**
 * A source is silent after this time without an answer. A source in which nothing changes answers about once a minute.
 *
 * @since 0.5.0
 * @category intervals
 */
export const silenceLimit = Duration.minutes(2)

/**
 * The time between two looks whether a silent source has answered. No request is sent.
 *
 * @since 0.5.0
 * @category intervals
 */
export const silencePoll = Duration.seconds(1)

/**
 * The longest time between two attempts to write refused keys. Each attempt costs two reads and a write, and changes wait for it:
 * a moment, unless the values are large.
 *
 * @since 0.5.0
 * @category intervals
 */
export const refusedInterval = Duration.minutes(1)

/**
 * How often the destination is scanned and refused keys are tried again.
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
 * The time to live of the service's check. Consul releases the lock of a killed leader this long after its last heartbeat (3.0 s
 * measured with 3 s), so it limits the failover. With less than 3 s, a process that is paused for a moment loses the lock.
 *
 * @since 0.1.0
 * @category intervals
 */
export const checkTtl = Duration.seconds(3)

/**
 * The time between two heartbeats. Three fit the time to live: two may be lost before the check is critical.
 *
 * @since 0.1.0
 * @category intervals
 */
export const heartbeatInterval = (ttl: Duration.Duration): Duration.Duration =>
  whole(Duration.times(ttl, 1 / 3))

/**
 * The pause after a failed heartbeat. It is short, since the rest of the time to live is.
 *
 * @since 0.1.0
 * @category intervals
 */
export const heartbeatRetry = (ttl: Duration.Duration): Duration.Duration =>
  whole(Duration.times(ttl, 1 / 10))

/**
 * The time to live of the lock's session. Consul (1.8.7) lets the session live up to twice as long. A critical check ends it
 * sooner, if the agent can report the check to the servers: an agent with a deleted token cannot.
 *
 * @since 0.5.0
 * @category intervals
 */
export const sessionTtl = Duration.seconds(30)

/**
 * The time to live of the lock's session without an agent, where no check ends it. Consul (1.8.7) lets a session live twice as
 * long after its last renewal, or after an election: the next leader follows a killed one within 30 s.
 *
 * @since 0.5.0
 * @category intervals
 */
export const agentlessSessionTtl = Duration.seconds(15)

/**
 * The time between two renewals of a session without an agent, and the time limit of each renewal. Servers without a leader
 * confirm no renewal: the lock outlasts elections of four fifths of the time to live.
 *
 * @since 0.5.0
 * @category intervals
 */
export const agentlessRenewalInterval = (ttl: Duration.Duration): Duration.Duration =>
  whole(Duration.times(ttl, 1 / 5))

/**
 * The time between two renewals of a session with an agent. Three fit the time to live.
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
 * The time between two log lines about trouble that has lasted for more than five minutes.
 *
 * @since 0.5.0
 * @category intervals
 */
export const reminderInterval = Duration.minutes(15)

/**
 * The pause before the next attempt to acquire a lock that is free and refused: the session of another tool has left a lock delay.
 *
 * @since 0.1.0
 * @category intervals
 */
export const lockDelayPoll = Duration.seconds(1)

/**
 * The wait of a blocking query. An idle watch costs one request a minute, and a connection that died without notice is detected
 * soon after.
 *
 * @since 0.1.0
 * @category intervals
 */
export const watchWait = Duration.minutes(1)

/**
 * The wait of a shard's blocking query, given the age of its watch. After a process has ended, Consul keeps its queries until
 * their waits are over, and refuses an address with 200 connections. So a query outlasts its process by no more than twice the age
 * of the watch: a process that is restarted again and again finds room. At rest the ends of these queries are most of the work
 * (3 ms of CPU each), so old watches have longer waits than `watchWait`.
 *
 * @since 0.5.0
 * @category intervals
 */
export const shardWait = (age: Duration.Duration): Duration.Duration =>
  Duration.clamp(Duration.times(age, 2), { minimum: Duration.seconds(1), maximum: Duration.minutes(3) })

/**
 * The time between two listings of a prefix that is watched in shards: a new key that no shard has is seen within a second.
 *
 * @since 0.5.0
 * @category intervals
 */
export const pollInterval = Duration.millis(500)

/**
 * The pause before the next listing, given how long the last one took: about a tenth of the time goes into listings. For 100,000
 * keys a listing takes 26 ms. The pause is at most ten seconds, also behind a slow link.
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
 * The longest time between two verifications that all shards have emitted everything, while changes never cease. After a change,
 * a quiet source is verified at once.
 *
 * @since 0.5.0
 * @category intervals
 */
export const verifyInterval = Duration.seconds(5)

/**
 * The time in which a shard must emit a change that a verification has shown. Then its query is given up and its keys are read
 * again.
 *
 * @since 0.5.0
 * @category intervals
 */
export const shardTimeout = Duration.seconds(2)

/**
 * The pause before a watch starts over after its query ended early.
 *
 * @since 0.1.0
 * @category intervals
 */
export const restartPause = Duration.seconds(1)

/**
 * After this time without an answer about a shard, one request asks whether the source answers at all. Consul lengthens a wait of
 * a minute to up to 64 s: at rest no such request is sent.
 *
 * @since 0.5.0
 * @category intervals
 */
export const pulseAfter = Duration.seconds(80)

/**
 * The time between two looks for shards without an answer.
 *
 * @since 0.5.0
 * @category intervals
 */
export const pulseInterval = Duration.seconds(15)

/**
 * If a connection is cut off after a query has blocked for this time, a balancer may have ended the wait. Balancers allow at least
 * this long. A query that is cut off sooner has failed.
 *
 * @since 0.5.0
 * @category intervals
 */
export const cutOffAfter = Duration.seconds(5)

/**
 * For this time an unmoved `X-Consul-Index` proves that nothing changed under a prefix. After 15 minutes Consul forgets a delete,
 * and the index that the delete gave to the prefix.
 *
 * @since 0.5.0
 * @category intervals
 */
export const indexMaxAge = Duration.minutes(10)

/**
 * The longest time from an answer's index to its processing, while newer answers are processed. The body of a large answer may
 * arrive for two minutes.
 *
 * @since 0.5.0
 * @category intervals
 */
export const answerMaxAge = Duration.minutes(3)
