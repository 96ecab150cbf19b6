/**
 * One leadership that several uses of a process have at the same time.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ConsulError } from "../../ConsulError.js"
import { ConsulHttp } from "../../ConsulHttp.js"
import type { Operation } from "../../Operation.js"
import { fenceOperation } from "../destination/TransactionBatches.js"
import { lastTransaction, whenDone } from "./Farewell.js"
import type { Health } from "./Health.js"
import type { Leadership } from "./Leadership.js"
import { LockLost } from "./LockLost.js"

type Failure = ConsulError | LockLost

type LastOperations = Effect.Effect<ReadonlyArray<Operation>, ConsulError>

const nothing: LastOperations = Effect.succeed([])

interface Use {
  readonly purpose: string | undefined
  /** What the use has reported last; `undefined` before its first report. */
  health: Health | undefined
  /** What is to be written when the use ends. */
  last: LastOperations
}

/** From the first use that joins to the end of the last one. */
interface Term {
  readonly uses: Set<Use>
  readonly scope: Scope.CloseableScope
  readonly leadership: Deferred.Deferred<Leadership, Failure>
  /** Fails when the lock is lost. */
  readonly lost: Deferred.Deferred<never, LockLost>
  /** Done when nothing of this term is left at Consul. */
  readonly over: Deferred.Deferred<void>
  /** Stops acquiring, and gives the lock back. */
  end: Effect.Effect<void>
  /** What the last transaction writes beside the lock's value. */
  last: LastOperations
}

/**
 * A warning of any use is one of all. With several uses that have a purpose, each output says which use it is about. Warnings
 * come first.
 */
const combine = (uses: ReadonlySet<Use>, initial: Health): Health => {
  const isAlone = [...uses].filter(({ purpose }) => purpose !== undefined).length <= 1
  const reported = [...uses].flatMap(({ health, purpose }) =>
    health === undefined ? [] : [{ ...health, purpose }]
  )
  if (reported.length === 0) return initial
  const warnings = reported.filter(({ status }) => status === "warning")
  const others = reported.filter(({ status }) => status !== "warning")
  const outputs = [...warnings, ...others].map(({ output, purpose }) =>
    isAlone || purpose === undefined || output.includes(purpose) ? output : `${purpose}: ${output}`
  )
  return { status: warnings.length > 0 ? "warning" : "passing", output: outputs.join("; ") }
}

/**
 * Joins the leadership of this process for a purpose, until the scope closes. The first use to join acquires the lock by
 * `acquire`, the last to end gives it back. A use that ends while others go on writes its last operations in a transaction
 * of its own: its status would otherwise claim, as long as the others hold the lock, that it is up to date. The check shows
 * `initial` until a use reports something.
 */
export const make = Effect.fnUntraced(function* (
  acquire: Effect.Effect<Leadership, Failure, Scope.Scope>,
  initial: Health
): Effect.fn.Return<
  (purpose: string | undefined) => Effect.Effect<Leadership, Failure, Scope.Scope>,
  never,
  ConsulHttp | Scope.Scope
> {
  const { transaction } = yield* ConsulHttp
  const parent = yield* Effect.scope
  const joining = yield* Effect.makeSemaphore(1)
  /** The term that a use can join. */
  let current: Term | undefined
  /** The term before the next one. The next one waits until nothing of it is left. */
  let latest: Term | undefined

  const report = ({ leadership, uses }: Term) =>
    Effect.flatMap(Deferred.poll(leadership), (acquired) =>
      Option.isNone(acquired)
        ? Effect.void
        : Effect.ignore(Effect.flatMap(acquired.value, ({ report }) => report(combine(uses, initial))))
    )

  const retire = (term: Term) =>
    Effect.sync(() => {
      if (current === term) current = undefined
    })

  const acquireFor = (term: Term, previous: Term | undefined) =>
    Effect.gen(function* () {
      if (previous !== undefined) yield* Deferred.await(previous.over)
      const leadership = yield* Scope.extend(acquire, term.scope)
      yield* leadership.onResign(Effect.suspend(() => term.last))
      // The term is retired before its uses fail: the first of them to stand again begins a new one.
      yield* leadership.lost.pipe(
        Effect.ensuring(retire(term)),
        Effect.intoDeferred(term.lost),
        Effect.forkIn(term.scope)
      )
      return leadership
    }).pipe(
      Effect.tapErrorCause(() => retire(term)),
      Effect.intoDeferred(term.leadership)
    )

  const begin = Effect.gen(function* () {
    const scope = yield* Scope.fork(parent, ExecutionStrategy.sequential)
    const term: Term = {
      uses: new Set(),
      scope,
      leadership: yield* Deferred.make<Leadership, Failure>(),
      lost: yield* Deferred.make<never, LockLost>(),
      over: yield* Deferred.make<void>(),
      end: Scope.close(scope, Exit.void),
      last: nothing
    }
    const acquiring = yield* Effect.forkIn(Effect.interruptible(acquireFor(term, latest)), parent)
    term.end = Fiber.interrupt(acquiring).pipe(
      Effect.zipRight(Scope.close(scope, Exit.void)),
      // A farewell is interruptible. A fiber that is interrupted meanwhile must not leave the next term waiting for good.
      Effect.ensuring(Deferred.succeed(term.over, undefined))
    )
    current = term
    latest = term
    return term
  })

  const join = (use: Use) =>
    Effect.suspend(() => (current === undefined ? begin : Effect.succeed(current))).pipe(
      Effect.tap(({ uses }) => Effect.sync(() => uses.add(use))),
      joining.withPermits(1)
    )

  /** Writes what a use leaves behind, unless it has nothing to write, or does not hold the lock. */
  const writeLast = Effect.fnUntraced(function* ({ last }: Use, { leadership, lost }: Term) {
    const acquired = yield* Deferred.poll(leadership)
    if (last === nothing || Option.isNone(acquired) || (yield* Deferred.isDone(lost))) return
    const { fence } = yield* acquired.value
    yield* lastTransaction(
      Effect.flatMap(last, (operations) =>
        transaction([fenceOperation(fence), ...operations], { results: false })
      )
    )
  })

  const leave = Effect.fnUntraced(function* (use: Use, term: Term) {
    const { uses } = term
    const isAlone = uses.size === 1
    if (isAlone) term.last = use.last
    else yield* Effect.ignore(writeLast(use, term))
    uses.delete(use)
    if (uses.size > 0) return yield* report(term)
    if (current === term) current = undefined
    yield* term.end
  })

  /** All uses of the term lose the lock. The session ends with the last of them. */
  const lose = (term: Term, lost: LockLost): Effect.Effect<void> =>
    Effect.zipRight(retire(term), Deferred.fail(term.lost, lost))

  /** A use that gives up the session, for a write whose fate is unknown, gives it up for all. */
  const loseWith = (exit: Exit.Exit<unknown, unknown>, term: Term) => {
    const failures = Exit.isFailure(exit) ? [...Cause.failures(exit.cause)] : []
    const lost = failures.find((error) => error instanceof LockLost)
    return lost === undefined ? Effect.void : lose(term, lost)
  }

  return (purpose) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const use: Use = { purpose, health: undefined, last: nothing }
        const term = yield* join(use)
        yield* whenDone(leave(use, term))
        yield* Effect.addFinalizer((exit) => loseWith(exit, term))
        const leadership = yield* restore(Deferred.await(term.leadership))
        yield* report(term)
        return {
          ...leadership,
          lost: Deferred.await(term.lost),
          giveUp: (reason) => lose(term, new LockLost({ lock: leadership.fence.lock, reason })),
          report: (health) =>
            Effect.suspend(() => {
              use.health = health
              return report(term)
            }),
          onResign: (operations) =>
            Effect.sync(() => {
              use.last = operations
            })
        }
      })
    )
})
