/**
 * A token in a file, which is read again when the file has changed: tokens that expire are replaced there by others.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

/** The time between two checks whether the file has changed. */
const interval = "2 seconds"

/** A text that changes when a file is written or replaced. */
const stampOf = (info: FileSystem.File.Info): string =>
  [
    Option.getOrElse(info.ino, () => 0),
    info.size,
    Option.match(info.mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
  ].join(" ")

/**
 * Follows the file. Returns an effect that gets the current token. If the file cannot be read or has no token, the log warns once,
 * and the former token stays in use.
 */
export const follow = <E extends { readonly message: string }>(options: {
  readonly path: string
  /** The place of the setting, for the log. */
  readonly name: string
  /** The token that was read from the file before. */
  readonly first: Redacted.Redacted
  /** Reads the file. Fails if it holds no token. */
  readonly read: Effect.Effect<Redacted.Redacted, E>
}): Effect.Effect<Effect.Effect<Redacted.Redacted>, never, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const { first, name, path, read } = options
    const files = yield* FileSystem.FileSystem
    const current = yield* Ref.make(first)
    const stamp = Effect.match(files.stat(path), { onFailure: () => "", onSuccess: stampOf })
    const seen = yield* Ref.make(yield* stamp)

    const readAgain = Effect.matchEffect(read, {
      onFailure: (error) =>
        Effect.logWarning(`${error.message}; the token that was read before stays in use`),
      onSuccess: (token) =>
        Effect.flatMap(Ref.getAndSet(current, token), (before) =>
          Redacted.value(before) === Redacted.value(token)
            ? Effect.void
            : Effect.logInfo(`${name}: the token has changed; the new one is in use`)
        )
    })
    const look = Effect.gen(function* () {
      const now = yield* stamp
      if (now !== (yield* Ref.getAndSet(seen, now))) yield* readAgain
    })
    yield* Effect.forkScoped(Effect.schedule(look, Schedule.spaced(interval)))
    return Ref.get(current)
  })
