/**
 * Something that can be in trouble for a while. Trouble is logged when it begins and when it takes another kind, not at
 * every attempt. As long as it lasts it is logged again from time to time, with how long it has lasted. Its end is logged
 * once.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Monotonic from "../effect/Monotonic.js"
import * as Schedules from "../Schedules.js"
import { Waits } from "./Waits.js"

export interface OutageLog {
  /** `kind` tells two troubles apart: the first message of a kind is logged, the latest one in reminders. */
  readonly report: (kind: string, message: string) => Effect.Effect<void>
  /** Ends all trouble, and logs that if there was any. */
  readonly resolve: Effect.Effect<void>
}

export interface OwnOutageLog extends OutageLog {
  /** Ends all trouble without a log line: this process has nothing to do with it any more. */
  readonly forget: Effect.Effect<void>
}

/** One kind of trouble, since its first attempt. */
interface Trouble {
  /** That of the latest attempt. */
  message: string
  /** Whether an attempt has failed so since the last log line about it. */
  isRecurring: boolean
}

/** Nobody would read more kinds of one trouble; texts that cannot be told apart by their kind make one each. */
const mostKinds = 20

/** The kind of all troubles past {@link mostKinds}: not logged when they begin, only in reminders. */
const others = Symbol()

/** A log line about trouble that goes on is no event of the request during which it began. */
const withoutSpan = Effect.mapInputContext((context: Context.Context<never>) =>
  Context.omit(Tracer.ParentSpan)(context as Context.Context<Tracer.ParentSpan>)
)

/** `recovered` is logged when trouble ends: what works then. Reminders end with the scope. */
export const make = (recovered: string): Effect.Effect<OwnOutageLog, never, Scope.Scope> =>
  Effect.map(Effect.scope, (parent): OwnOutageLog => {
    const troubles = new Map<string | symbol, Trouble>()
    /** The kind of the latest attempt. */
    let latest: string | symbol = others
    /** Holds the fibers that remind, one a kind. Exists while there is trouble. */
    let reminders: Scope.CloseableScope | undefined

    /**
     * Logs a trouble again. One of several kinds may have passed without a success: it is skipped unless it has come
     * up since, or is the latest.
     */
    const remind = (kind: string | symbol, trouble: Trouble, began: number) =>
      Effect.flatMap(Monotonic.now, (now) => {
        if (!trouble.isRecurring && kind !== latest) return Effect.void
        trouble.isRecurring = false
        const lasted = Duration.seconds(Math.round((now - began) / 1_000))
        return Effect.logWarning(`still: ${trouble.message} (for ${Duration.format(lasted)})`)
      })

    const reminding = Effect.fnUntraced(function* (kind: string | symbol, trouble: Trouble) {
      const began = yield* Monotonic.now
      for (const pause of Schedules.firstReminders) {
        yield* Effect.sleep(pause)
        yield* remind(kind, trouble, began)
      }
      return yield* Effect.forever(
        Effect.zipRight(Effect.sleep(Schedules.reminderInterval), remind(kind, trouble, began))
      )
    })

    const begin = (kind: string | symbol, message: string) =>
      Effect.gen(function* () {
        const trouble: Trouble = { message, isRecurring: false }
        troubles.set(kind, trouble)
        reminders ??= yield* Scope.fork(parent, ExecutionStrategy.sequential)
        yield* Effect.forkIn(Effect.interruptible(withoutSpan(reminding(kind, trouble))), reminders)
        if (kind !== others) yield* Effect.logWarning(message)
      }).pipe(Effect.uninterruptible)

    const end = Effect.suspend(() => {
      const scope = reminders
      troubles.clear()
      reminders = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    }).pipe(Effect.uninterruptible)

    return {
      report: (cause, message) =>
        Effect.suspend(() => {
          const kind = troubles.has(cause) || troubles.size < mostKinds ? cause : others
          latest = kind
          const known = troubles.get(kind)
          if (known === undefined) return begin(kind, message)
          known.message = message
          known.isRecurring = true
          return Effect.void
        }),
      // Runs after each answer: free where nothing was wrong.
      resolve: Effect.suspend(() =>
        troubles.size === 0 ? Effect.void : Effect.zipRight(end, Effect.logInfo(`recovered: ${recovered}`))
      ),
      forget: end
    }
  })

/**
 * Outage logs that share one outage: it begins when the first of them reports one, which is logged, and ends when the last one
 * resolves. An outage log whose scope has closed counts as resolved.
 */
export const shared = (condition: OutageLog): Effect.Effect<OutageLog, never, Scope.Scope> => {
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
      report: (kind, message) =>
        Effect.suspend(() => {
          // What it left behind may still fail.
          if (open.has(member)) troubled.add(member)
          const [speaker] = troubled
          return speaker === member ? condition.report(kind, message) : Effect.void
        }),
      resolve: Effect.suspend(() => {
        troubled.delete(member)
        return troubled.size === 0 ? condition.resolve : Effect.void
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
export const causeOf = ({ _tag, key = "", lock = "", reason = "", request = "" }: Failure): string => {
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

/** Logs the trouble of a failure by its kind, and its end at the next success; tells {@link Waits} of both. */
export const logOutages =
  (condition: OutageLog, what: string) =>
  <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Waits, (waits) =>
      effect.pipe(
        Effect.tapError((error) => {
          const message = `${what}: ${error.message}`
          return Effect.zipRight(
            waits.waiting(condition, "Trouble", message),
            condition.report(causeOf(error), message)
          )
        }),
        Effect.zipLeft(Effect.zipRight(waits.over(condition), condition.resolve))
      )
    )
