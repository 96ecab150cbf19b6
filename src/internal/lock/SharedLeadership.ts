/**
 * One leadership under which several uses of a process lead at the same time.
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
import { type Consul, ConsulHttp } from "../../ConsulHttp.js"
import type { Operation } from "../../Operation.js"
import { fenceOperation } from "../destination/TransactionBatches.js"
import { lastTransaction, whenDone } from "./Farewell.js"
import type { Health } from "./Health.js"
import type { Leadership } from "./Leadership.js"
import { LockLost } from "./LockLost.js"

type Failure = ConsulError | LockLost

type LastOperations = Effect.Effect<ReadonlyArray<Operation>, ConsulError>

const noOperations: LastOperations = Effect.succeed([])

export interface Use {
  /** What the use does while it leads, in one line for people. */
  readonly purpose: string | undefined
  /** The latest report of the use; `undefined` before its first one. */
  health: Health | undefined
  /** The operations to write when the use ends. */
  last: LastOperations
}

/** The time from the first use that joins to the end of the last one. */
interface Term {
  /** The uses that have joined and not ended. */
  readonly uses: Set<Use>
  /** Holds the lock, the session and the service. */
  readonly scope: Scope.CloseableScope
  /** Done when the lock is acquired, or cannot be. */
  readonly leadership: Deferred.Deferred<Leadership, Failure>
  /** Fails when the lock is lost. */
  readonly lost: Deferred.Deferred<never, LockLost>
  /** Done when nothing of this term is left at Consul. */
  readonly over: Deferred.Deferred<void>
  /** Stops acquiring, and gives the lock back. */
  end: Effect.Effect<void>
  /** The operations that the last transaction writes beside the lock's value. */
  last: LastOperations
}

/** The services of a shared lock, and its terms: one after another. */
interface Sharing {
  /** Acquires the lock until the scope closes. */
  readonly acquire: Effect.Effect<Leadership, Failure, Scope.Scope>
  readonly consul: Pick<Consul, "transaction">
  /** The check shows this health until a use reports one. */
  readonly initial: Health
  /** The scope of the shared lock: no term outlives it. */
  readonly scope: Scope.Scope
  /** One use joins at a time: two would each begin a term. */
  readonly joining: Effect.Semaphore
  /** The term that a use can join. */
  current: Term | undefined
  /** The term that began last. The next one waits until nothing of it is left at Consul. */
  latest: Term | undefined
}

/**
 * The health of all uses together. It is a warning if any use reports one, and warnings come first. If several uses have a
 * purpose, each output names its use.
 */
export const combine = (uses: Iterable<Pick<Use, "health" | "purpose">>, initial: Health): Health => {
  const all = [...uses]
  const isAlone = all.filter(({ purpose }) => purpose !== undefined).length <= 1
  const reported = all.flatMap(({ health, purpose }) =>
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

/** Reports the health of all uses, if the lock is acquired. */
const report = ({ initial }: Sharing, { leadership, uses }: Term): Effect.Effect<void> =>
  Effect.flatMap(Deferred.poll(leadership), (acquired) =>
    Option.isNone(acquired)
      ? Effect.void
      : Effect.ignore(Effect.flatMap(acquired.value, ({ report }) => report(combine(uses, initial))))
  )

/** No use joins the term from now on. */
const retire = (sharing: Sharing, term: Term): void => {
  if (sharing.current === term) sharing.current = undefined
}

const acquireFor = (sharing: Sharing, term: Term, previous: Term | undefined) =>
  Effect.gen(function* () {
    if (previous !== undefined) yield* Deferred.await(previous.over)
    const leadership = yield* Scope.extend(sharing.acquire, term.scope)
    yield* leadership.onResign(Effect.suspend(() => term.last))
    // The term is retired before its uses fail: the first of them to stand again begins a new one.
    yield* leadership.lost.pipe(
      Effect.ensuring(Effect.sync(() => retire(sharing, term))),
      Effect.intoDeferred(term.lost),
      Effect.forkIn(term.scope)
    )
    return leadership
  }).pipe(
    Effect.tapErrorCause(() => Effect.sync(() => retire(sharing, term))),
    Effect.intoDeferred(term.leadership)
  )

/** Begins a term, and acquires the lock in a fiber of its own. */
const begin = Effect.fnUntraced(function* (sharing: Sharing) {
  const scope = yield* Scope.fork(sharing.scope, ExecutionStrategy.sequential)
  const term: Term = {
    uses: new Set(),
    scope,
    leadership: yield* Deferred.make<Leadership, Failure>(),
    lost: yield* Deferred.make<never, LockLost>(),
    over: yield* Deferred.make<void>(),
    end: Scope.close(scope, Exit.void),
    last: noOperations
  }
  const acquiring = yield* Effect.forkIn(
    Effect.interruptible(acquireFor(sharing, term, sharing.latest)),
    sharing.scope
  )
  term.end = Fiber.interrupt(acquiring).pipe(
    Effect.zipRight(Scope.close(scope, Exit.void)),
    // The farewells in the scope can be interrupted. The next term must not wait for good if they are.
    Effect.ensuring(Deferred.succeed(term.over, undefined))
  )
  sharing.current = term
  sharing.latest = term
  return term
})

/** Adds a use to the current term, or to a new one. */
const join = (sharing: Sharing, use: Use): Effect.Effect<Term> =>
  Effect.suspend(() =>
    sharing.current === undefined ? begin(sharing) : Effect.succeed(sharing.current)
  ).pipe(
    Effect.tap(({ uses }) => Effect.sync(() => uses.add(use))),
    sharing.joining.withPermits(1)
  )

/** Writes the last operations of a use while the others lead on. Does nothing without the lock. */
const writeLast = Effect.fnUntraced(function* (
  { consul }: Sharing,
  { last }: Use,
  { leadership, lost }: Term
) {
  const acquired = yield* Deferred.poll(leadership)
  if (last === noOperations || Option.isNone(acquired) || (yield* Deferred.isDone(lost))) return
  const { fence } = yield* acquired.value
  yield* lastTransaction(
    Effect.flatMap(last, (operations) =>
      consul.transaction([fenceOperation(fence), ...operations], { results: false })
    )
  )
})

/** Ends a use. The last use ends the term, whose last transaction writes the operations of that use. */
const leave = Effect.fnUntraced(function* (sharing: Sharing, use: Use, term: Term) {
  const { uses } = term
  const isAlone = uses.size === 1
  if (isAlone) term.last = use.last
  else yield* Effect.ignore(writeLast(sharing, use, term))
  uses.delete(use)
  if (uses.size > 0) return yield* report(sharing, term)
  // In the same step as the look at `uses`: no use joins a term that ends.
  retire(sharing, term)
  yield* term.end
})

/** All uses of the term lose the lock. The session ends with the last of them. */
const lose = (sharing: Sharing, term: Term, lost: LockLost): Effect.Effect<void> =>
  Effect.suspend(() => {
    retire(sharing, term)
    return Deferred.fail(term.lost, lost)
  })

/** If a use ends because it lost the lock, all uses lose it: a write of that use may still land under their session. */
const loseWith = (sharing: Sharing, term: Term, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
  const failures = Exit.isFailure(exit) ? [...Cause.failures(exit.cause)] : []
  const lost = failures.find((error) => error instanceof LockLost)
  return lost === undefined ? Effect.void : lose(sharing, term, lost)
}

/** Leads for a purpose until the scope closes. */
const lead = (
  sharing: Sharing,
  purpose: string | undefined
): Effect.Effect<Leadership, Failure, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const use: Use = { purpose, health: undefined, last: noOperations }
      const term = yield* join(sharing, use)
      yield* whenDone(leave(sharing, use, term))
      yield* Effect.addFinalizer((exit) => loseWith(sharing, term, exit))
      const leadership = yield* restore(Deferred.await(term.leadership))
      yield* report(sharing, term)
      return {
        ...leadership,
        lost: Deferred.await(term.lost),
        giveUp: (reason) => lose(sharing, term, new LockLost({ lock: leadership.fence.lock, reason })),
        report: (health) =>
          Effect.suspend(() => {
            use.health = health
            return report(sharing, term)
          }),
        onResign: (operations) =>
          Effect.sync(() => {
            use.last = operations
          })
      }
    })
  )

/**
 * Joins the leadership of this process for a purpose, until the scope closes. The first use to join acquires the lock by
 * `acquire`, the last to end gives it back. If a use ends before the others, it writes its last operations in a transaction
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
  const sharing: Sharing = {
    acquire,
    consul: yield* ConsulHttp,
    initial,
    scope: yield* Effect.scope,
    joining: yield* Effect.makeSemaphore(1),
    current: undefined,
    latest: undefined
  }
  return (purpose) => lead(sharing, purpose)
})
