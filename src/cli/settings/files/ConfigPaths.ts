/**
 * The files that `-config` names: one, or all of a folder and of the folders in it, in the order of their names. Links in a
 * folder are not followed.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { reasonOf } from "../FileReason.js"
import { type Given, shown } from "../Origin.js"
import { subject, WrongUse } from "../WrongUse.js"

/** The size in bytes above which a file is not a configuration, but a log or an archive that was named by mistake. */
const largest = 4 * 1024 * 1024

const isLink = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => Effect.isSuccess(files.readLink(path)))

/** The files in a folder and in the folders below. Links are left out. */
const filesUnder = (
  folder: string
): Effect.Effect<ReadonlyArray<string>, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const { join } = yield* Path.Path
    const names = (yield* files.readDirectory(folder)).sort()
    const paths = yield* Effect.forEach(names, (name) =>
      Effect.gen(function* () {
        const path = join(folder, name)
        if (yield* isLink(path)) return []
        const { type } = yield* files.stat(path)
        return type === "Directory" ? yield* filesUnder(path) : [path]
      })
    )
    return paths.flat()
  })

/** The files of one `-config`, with their texts. */
export const read = Effect.fn("ConfigPaths.read")(function* ({ origin, text: path }: Given) {
  const files = yield* FileSystem.FileSystem
  const wrong = (file: string) => (error: PlatformError) =>
    new WrongUse({
      subject: file === path ? subject(shown(origin, "config"), path) : file,
      problem: `the configuration cannot be read: ${reasonOf(error)}`
    })
  const { type } = yield* Effect.mapError(files.stat(path), wrong(path))
  const paths = type === "Directory" ? yield* Effect.mapError(filesUnder(path), wrong(path)) : [path]
  return yield* Effect.forEach(paths, (file) =>
    Effect.gen(function* () {
      const { size } = yield* Effect.mapError(files.stat(file), wrong(file))
      if (size > largest)
        return yield* new WrongUse({
          subject: file,
          problem: "the file has more than 4 MB; name a file of configuration"
        })
      const text = yield* Effect.mapError(files.readFileString(file), wrong(file))
      return { path: file, text }
    })
  )
})
