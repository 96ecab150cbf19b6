/**
 * Something that lasts for a while, and comes up again and again: trouble, held deletes, refused keys. It emits an event when
 * it begins, when it takes another cause, and each time that it comes up again; from time to time while it lasts; and one
 * when it is over.
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
  /** `kind` tells two causes apart. `what` is emitted now, and that of the latest report is emitted in reminders. */
  readonly report: (kind: string, what: A) => Effect.Effect<void>
  /** Emits that it has come up again, for a reason that something else reports. It does not begin by that. */
  readonly mention: (what: A) => Effect.Effect<void>
  /** Ends it, from all causes, and emits that if it had begun. */
  readonly resolve: Effect.Effect<void>
}

export interface OwnOutage<in A> extends Outage<A> {
  /** Ends it without an event: this process has nothing to do with it any more. */
  readonly forget: Effect.Effect<void>
}

/** How long something has lasted: all in ms. */
export interface Lasting {
  readonly phase: Phase
  /** Since this cause first came up. */
  readonly lasted: number
  /** Since the first report after the last `resolve`, of the one that reports. */
  readonly failingFor: number
}

/** The events of an outage. */
export interface Events<in A> {
  readonly lasts: (what: A, lasting: Lasting) => Happening
  readonly over: (lasted: number) => Happening
}

/** One cause, since it first came up. */
interface Cause<A> {
  /** ms, monotonic. */
  readonly began: number
  /** That of the latest report. */
  what: A
  /** Whether it has come up since it was last emitted. */
  isRecurring: boolean
}

/** A person would read no more kinds of one outage; texts that cannot be told apart by their kind make one each. */
const mostKinds = 20

/** The kind of all causes past {@link mostKinds}. It has reminders, and does not begin. */
const others = Symbol()

/** A reminder is no event of the request during which the outage began. */
const withoutSpan = Effect.mapInputContext((context: Context.Context<never>) =>
  Context.omit(Tracer.ParentSpan)(context as Context.Context<Tracer.ParentSpan>)
)

/** How long there has been no success. */
class Failing {
  /** ms, monotonic. */
  private since: number | undefined

  /** Counts a failure at `now`, and returns for how long there has been no success: ms. */
  at(now: number): number {
    this.since ??= now
    return now - this.since
  }

  succeed(): void {
    this.since = undefined
  }
}

/** An outage that counts for others how long these have failed. */
interface Reported<in A> extends OwnOutage<A> {
  readonly reportAs: (failing: Failing, kind: string, what: A) => Effect.Effect<void>
  readonly mentionAs: (failing: Failing, what: A) => Effect.Effect<void>
}

const makeReported = <A>({ lasts, over }: Events<A>): Effect.Effect<Reported<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (parent): Reported<A> => {
    const causes = new Map<string | symbol, Cause<A>>()
    const own = new Failing()
    /** The kind of the latest report. */
    let latest: string | symbol = others
    /** Holds the fibers that remind, one a kind. Exists while the outage lasts. */
    let reminders: Scope.CloseableScope | undefined

    /**
     * Emits a cause again. One of several kinds may have passed without a success: it is skipped unless it has come up since,
     * or is the latest.
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
      // Runs after each answer: free if nothing was wrong.
      resolve: Effect.suspend(() => {
        if (causes.size > 0) return resolveAll
        own.succeed()
        return Effect.void
      }),
      forget: end
    }
  })

/** Reminders end with the scope. */
export const make: <A>(events: Events<A>) => Effect.Effect<OwnOutage<A>, never, Scope.Scope> = makeReported

/**
 * Makes members that share one outage: it begins when the first of them reports something, and ends when the last one
 * resolves. What others report meanwhile is only mentioned. A member whose scope has closed counts as resolved.
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
            // What it left behind may still fail.
            if (open.has(member)) troubled.add(member)
            const [speaker] = troubled
            return speaker === member ? outage.reportAs(failing, kind, what) : outage.mentionAs(failing, what)
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
