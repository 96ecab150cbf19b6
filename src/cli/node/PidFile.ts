/**
 * The file that has the number of the process as long as it runs.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { reasonNotWritten } from "../settings/FileReason.js"
import { type Origin, shown } from "../settings/Origin.js"
import { subject, WrongUse } from "../settings/WrongUse.js"

/** The text of the file: digits alone, as in 0.4.0. */
const content = String(process.pid)

/** Writes the file, and removes it with the scope, unless another process has written its own number meanwhile. */
export const write = Effect.fn("PidFile.write")(function* ({
  origin,
  value: path
}: {
  readonly origin: Origin
  readonly value: string
}) {
  const files = yield* FileSystem.FileSystem
  yield* Effect.acquireRelease(
    Effect.mapError(
      files.writeFileString(path, content),
      (error) =>
        new WrongUse({
          subject: subject(shown(origin, "pid-file"), path),
          problem: `the file cannot be written: ${reasonNotWritten(error)}`
        })
    ),
    () =>
      files.readFileString(path).pipe(
        Effect.flatMap((text) => (text.trim() === content ? files.remove(path) : Effect.void)),
        Effect.catchAll((error) =>
          Effect.logWarning(`-pid-file: ${path} cannot be removed: ${reasonNotWritten(error)}`)
        )
      )
  )
})
