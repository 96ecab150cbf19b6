/**
 * An outage: a condition that is reported again and again while it lasts, such as trouble, held deletes or refused keys. It emits
 * an event when it begins, when it has another cause, and each time that it is reported again; reminders while it lasts; and an
 * event when it is over.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Monotonic from "../effect/Monotonic.js"
import type { Phase } from "../event/ReplicationEvent.js"
import { emit, type Happening } from "./EventSink.js"

/** Pauses before trouble that lasts is logged again: a minute and five minutes after it began. */
const firstReminders: ReadonlyArray<Duration.Duration> = [Duration.minutes(1), Duration.minutes(4)]

/** The time between two log lines about trouble that has lasted for more than five minutes. */
const reminderInterval = Duration.minutes(15)

export interface Outage<in A> {
  /** Reports a cause, and emits `what`. Reports with the same `kind` have the same cause. Reminders emit the latest `what`. */
  readonly report: (kind: string, what: A) => Effect.Effect<void>
  /** Emits `what` as a further occurrence. The outage does not begin by that. */
  readonly mention: (what: A) => Effect.Effect<void>
  /** Ends the outage, from all causes. Emits that if the outage had begun. */
  readonly resolve: Effect.Effect<void>
}

export interface OwnOutage<in A> extends Outage<A> {
  /** Ends the outage without an event: it does not concern this process any more. */
  readonly forget: Effect.Effect<void>
}

export interface Lasting {
  /** Why the event is emitted. */
  readonly phase: Phase
  /** Time since the first report of this cause: ms. */
  readonly lasted: number
  /** Time since the first report of the same reporter after its last `resolve`: ms. */
  readonly failingFor: number
}

/** The events of an outage. */
export interface Events<in A> {
  /** The event of a report, or of a reminder. */
  readonly lasts: (what: A, lasting: Lasting) => Happening
  /** The event of the end. `lasted` is in ms. */
  readonly over: (lasted: number) => Happening
}

/** One cause of an outage that has begun. */
interface Cause<A> {
  /** When the cause was reported first: ms, monotonic. */
  readonly began: number
  /** The `what` of the latest report. */
  what: A
  /** Whether the cause was reported since it was last emitted. */
  isRecurring: boolean
}

/** The most kinds of one outage. Texts that have a new kind each time could make any number. */
const mostKinds = 20

/** The kind of all causes after {@link mostKinds} others. It has reminders, and no event when it begins. */
const others = Symbol()

/** A reminder does not belong to the span in which the outage began. */
const withoutSpan = Effect.mapInputContext((context: Context.Context<never>) =>
  Context.omit(Tracer.ParentSpan)(context as Context.Context<Tracer.ParentSpan>)
)

/** Measures how long there has been no success. */
class Failing {
  /** When the first failure after the last success was: ms, monotonic. */
  private since: number | undefined

  /** Records a failure at `now`, and returns how long there has been no success: ms. */
  at(now: number): number {
    this.since ??= now
    return now - this.since
  }

  succeed(): void {
    this.since = undefined
  }
}

/** The state of an outage. Each reporter has a `Failing` of its own. */
interface State<A> {
  /** The events that the outage emits. */
  readonly events: Events<A>
  /** Reminders end with this scope. */
  readonly parent: Scope.Scope
  /** The causes of the outage, by kind. Empty unless the outage lasts. */
  readonly causes: Map<string | symbol, Cause<A>>
  /** Measures how long no reporter has had a success. */
  readonly failing: Failing
  /** The kind of the latest report. */
  latest: string | symbol
  /** The fibers that emit reminders, one for each kind. Undefined unless the outage lasts. */
  reminders: Scope.CloseableScope | undefined
}

/**
 * Emits a reminder of a cause. A cause that was neither reported since its last event nor is the latest may be over: it has no
 * reminder.
 */
const remind = <A>(state: State<A>, kind: string | symbol, cause: Cause<A>): Effect.Effect<void> =>
  Effect.flatMap(Monotonic.now, (now) => {
    if (!cause.isRecurring && kind !== state.latest) return Effect.void
    cause.isRecurring = false
    const lasting: Lasting = {
      phase: "Lasts",
      lasted: now - cause.began,
      failingFor: state.failing.at(now)
    }
    return emit(state.events.lasts(cause.what, lasting))
  })

/** Emits reminders of a cause without end. */
const keepReminding = Effect.fnUntraced(function* <A>(
  state: State<A>,
  kind: string | symbol,
  cause: Cause<A>
): Effect.fn.Return<never> {
  for (const pause of firstReminders) {
    yield* Effect.sleep(pause)
    yield* remind(state, kind, cause)
  }
  return yield* Effect.forever(Effect.zipRight(Effect.sleep(reminderInterval), remind(state, kind, cause)))
})

const begin = <A>(state: State<A>, kind: string | symbol, cause: Cause<A>): Effect.Effect<void> =>
  Effect.gen(function* () {
    state.causes.set(kind, cause)
    state.reminders ??= yield* Scope.fork(state.parent, ExecutionStrategy.sequential)
    yield* Effect.forkIn(
      Effect.interruptible(withoutSpan(keepReminding(state, kind, cause))),
      state.reminders
    )
  }).pipe(Effect.uninterruptible)

const end = <A>(state: State<A>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { causes, reminders } = state
    causes.clear()
    state.reminders = undefined
    return reminders === undefined ? Effect.void : Scope.close(reminders, Exit.void)
  }).pipe(Effect.uninterruptible)

/** Ends an outage that has begun, and emits that. */
const emitOver = <A>(state: State<A>): Effect.Effect<void> =>
  Effect.flatMap(Monotonic.now, (now) => {
    const { events, failing } = state
    const lasted = failing.at(now)
    failing.succeed()
    return Effect.zipRight(end(state), emit(events.over(lasted)))
  })

/** Runs after each answer, and costs nothing if the outage has not begun. */
const resolve = <A>(state: State<A>): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (state.causes.size > 0) return emitOver(state)
    state.failing.succeed()
    return Effect.void
  })

/** Reports a cause for the reporter that `failing` belongs to. */
const reportAs = <A>(state: State<A>, failing: Failing, cause: string, what: A): Effect.Effect<void> =>
  Effect.flatMap(Monotonic.now, (now) => {
    const { causes, events } = state
    const failingFor = failing.at(now)
    state.failing.at(now)
    const kind = causes.has(cause) || causes.size < mostKinds ? cause : others
    state.latest = kind
    const before = causes.get(kind)
    if (before === undefined) {
      const phase = kind === others ? "Again" : "Began"
      return Effect.zipRight(
        begin(state, kind, { began: now, what, isRecurring: false }),
        emit(events.lasts(what, { phase, lasted: 0, failingFor }))
      )
    }
    before.what = what
    before.isRecurring = true
    return emit(events.lasts(what, { phase: "Again", lasted: now - before.began, failingFor }))
  })

/** Emits a further occurrence for the reporter that `failing` belongs to. */
const mentionAs = <A>({ events }: State<A>, failing: Failing, what: A): Effect.Effect<void> =>
  Effect.flatMap(Monotonic.now, (now) => {
    const failingFor = failing.at(now)
    return emit(events.lasts(what, { phase: "Again", lasted: failingFor, failingFor }))
  })

const makeState = <A>(events: Events<A>): Effect.Effect<State<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (parent) => ({
    events,
    parent,
    causes: new Map(),
    failing: new Failing(),
    latest: others,
    reminders: undefined
  }))

/** Makes an outage. Its reminders end with the scope. */
export const make = <A>(events: Events<A>): Effect.Effect<OwnOutage<A>, never, Scope.Scope> =>
  Effect.map(makeState(events), (state) => ({
    report: (kind, what) => reportAs(state, state.failing, kind, what),
    mention: (what) => mentionAs(state, state.failing, what),
    resolve: resolve(state),
    forget: end(state)
  }))

/** An outage of several members. */
interface Shared<A> {
  readonly state: State<A>
  /** The members whose scopes are open. */
  readonly open: Set<symbol>
  /** The members that have reported a failure after their last success, in the order of the first of these reports. */
  readonly troubled: Set<symbol>
}

/** Reports a cause for a member. Unless the member was the first to report one, that is only a mention. */
const reportOf = <A>(
  { open, state, troubled }: Shared<A>,
  member: symbol,
  failing: Failing,
  kind: string,
  what: A
): Effect.Effect<void> =>
  Effect.suspend(() => {
    // A request may fail after the member's scope has closed.
    if (open.has(member)) troubled.add(member)
    const [first] = troubled
    return first === member ? reportAs(state, failing, kind, what) : mentionAs(state, failing, what)
  })

const resolveMember = <A>(
  { state, troubled }: Shared<A>,
  member: symbol,
  failing: Failing
): Effect.Effect<void> =>
  Effect.suspend(() => {
    failing.succeed()
    troubled.delete(member)
    return troubled.size === 0 ? resolve(state) : Effect.void
  })

/** Adds a member until the scope closes. */
const join = <A>(shared: Shared<A>): Effect.Effect<Outage<A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { open, state, troubled } = shared
    const member = Symbol()
    const failing = new Failing()
    open.add(member)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        open.delete(member)
        troubled.delete(member)
      })
    )
    return {
      report: (kind, what) => reportOf(shared, member, failing, kind, what),
      mention: (what) => mentionAs(state, failing, what),
      resolve: resolveMember(shared, member, failing)
    }
  })

/**
 * Makes an effect that makes members of one outage. The outage begins with the first report of a member, and ends when all
 * members have resolved. Reports of other members meanwhile are only mentioned. A member is resolved when its scope closes.
 */
export const shared = <A>(
  events: Events<A>
): Effect.Effect<Effect.Effect<Outage<A>, never, Scope.Scope>, never, Scope.Scope> =>
  Effect.map(makeState(events), (state) => join({ state, open: new Set(), troubled: new Set() }))
