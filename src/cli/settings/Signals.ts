/**
 * Signals by their names.
 */
import { constants } from "node:os"
import * as Either from "effect/Either"

const names: ReadonlySet<string> = new Set(Object.keys(constants.signals))

const isSignal = (name: string): name is NodeJS.Signals => names.has(name)

/** No program can listen for these. */
const uncatchable: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP"])

/** A signal from its name in any case, or undefined for an empty text. Left: the problem. */
export const parse = (text: string): Either.Either<NodeJS.Signals | undefined, string> => {
  const name = text.toUpperCase()
  if (name === "") return Either.right(undefined)
  if (uncatchable.has(name))
    return Either.left("no program can listen for it; write SIGINT, SIGTERM or SIGUSR1")
  return isSignal(name)
    ? Either.right(name)
    : Either.left("not a signal; write its whole name, such as SIGINT, SIGTERM or SIGHUP")
}
