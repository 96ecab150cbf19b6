/**
 * An outage: a condition that is reported again and again while it lasts, such as trouble, held deletes or refused keys. It emits
 * an event when it begins, when it has another cause, and each time that it is reported again; reminders while it lasts; and an
 * event when it is over.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Phase } from "../../ReplicationEvent.js"
import * as Monotonic from "../effect/Monotonic.js"
import * as Schedules from "../Schedules.js"
import { emit, type Happening } from "./EventSink.js"

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

/** An outage with several reporters, each with its own `Failing`. */
interface Reported<in A> extends OwnOutage<A> {
  /** `report` of one reporter. */
  readonly reportAs: (failing: Failing, kind: string, what: A) => Effect.Effect<void>
  /** `mention` of one reporter. */
  readonly mentionAs: (failing: Failing, what: A) => Effect.Effect<void>
}

const makeReported = <A>({ lasts, over }: Events<A>): Effect.Effect<Reported<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (parent): Reported<A> => {
    const causes = new Map<string | symbol, Cause<A>>()
    const own = new Failing()
    /** The kind of the latest report. */
    let latest: string | symbol = others
    /** The fibers that emit reminders, one for each kind. Undefined unless the outage lasts. */
    let reminders: Scope.CloseableScope | undefined

    /**
     * Emits a reminder of a cause. A cause that was neither reported since its last event nor is the latest may be over: it has
     * no reminder.
     */
    const remind = (kind: string | symbol, cause: Cause<A>) =>
      Effect.flatMap(Monotonic.now, (now) => {
        if (!cause.isRecurring && kind !== latest) return Effect.void
        cause.isRecurring = false
        const lasted = now - cause.began
        return emit(lasts(cause.what, { phase: "Lasts", lasted, failingFor: own.at(now) }))
      })

    const reminding = Effect.fnUntraced(function* (kind: string | symbol, cause: Cause<A>) {
      for (const pause of Schedules.firstReminders) {
        yield* Effect.sleep(pause)
        yield* remind(kind, cause)
      }
      return yield* Effect.forever(
        Effect.zipRight(Effect.sleep(Schedules.reminderInterval), remind(kind, cause))
      )
    })

    const begin = (kind: string | symbol, cause: Cause<A>) =>
      Effect.gen(function* () {
        causes.set(kind, cause)
        reminders ??= yield* Scope.fork(parent, ExecutionStrategy.sequential)
        yield* Effect.forkIn(Effect.interruptible(withoutSpan(reminding(kind, cause))), reminders)
      }).pipe(Effect.uninterruptible)

    const end = Effect.suspend(() => {
      const scope = reminders
      causes.clear()
      reminders = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    }).pipe(Effect.uninterruptible)

    const resolveAll = Effect.flatMap(Monotonic.now, (now) => {
      const lasted = own.at(now)
      own.succeed()
      return Effect.zipRight(end, emit(over(lasted)))
    })

    const reportAs: Reported<A>["reportAs"] = (failing, cause, what) =>
      Effect.flatMap(Monotonic.now, (now) => {
        const failingFor = failing.at(now)
        own.at(now)
        const kind = causes.has(cause) || causes.size < mostKinds ? cause : others
        latest = kind
        const before = causes.get(kind)
        if (before === undefined) {
          const phase = kind === others ? "Again" : "Began"
          return Effect.zipRight(
            begin(kind, { began: now, what, isRecurring: false }),
            emit(lasts(what, { phase, lasted: 0, failingFor }))
          )
        }
        before.what = what
        before.isRecurring = true
        return emit(lasts(what, { phase: "Again", lasted: now - before.began, failingFor }))
      })

    const mentionAs: Reported<A>["mentionAs"] = (failing, what) =>
      Effect.flatMap(Monotonic.now, (now) => {
        const failingFor = failing.at(now)
        return emit(lasts(what, { phase: "Again", lasted: failingFor, failingFor }))
      })

    return {
      reportAs,
      mentionAs,
      report: (kind, what) => reportAs(own, kind, what),
      mention: (what) => mentionAs(own, what),
      // Runs after each answer, and costs nothing if the outage has not begun.
      resolve: Effect.suspend(() => {
        if (causes.size > 0) return resolveAll
        own.succeed()
        return Effect.void
      }),
      forget: end
    }
  })

/** Makes an outage. Its reminders end with the scope. */
export const make: <A>(events: Events<A>) => Effect.Effect<OwnOutage<A>, never, Scope.Scope> = makeReported

/**
 * Makes an effect that makes members of one outage. The outage begins with the first report of a member, and ends when all
 * members have resolved. Reports of other members meanwhile are only mentioned. A member is resolved when its scope closes.
 */
export const shared = <A>(
  events: Events<A>
): Effect.Effect<Effect.Effect<Outage<A>, never, Scope.Scope>, never, Scope.Scope> =>
  Effect.map(makeReported(events), (outage) => {
    const open = new Set<symbol>()
    const troubled = new Set<symbol>()
    return Effect.gen(function* () {
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
        report: (kind, what) =>
          Effect.suspend(() => {
            // A request may fail after the member's scope has closed.
            if (open.has(member)) troubled.add(member)
            const [first] = troubled
            return first === member ? outage.reportAs(failing, kind, what) : outage.mentionAs(failing, what)
          }),
        mention: (what) => outage.mentionAs(failing, what),
        resolve: Effect.suspend(() => {
          failing.succeed()
          troubled.delete(member)
          return troubled.size === 0 ? outage.resolve : Effect.void
        })
      }
    })
  })
