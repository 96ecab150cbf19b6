/** Reasons for which a file cannot be read or written, in words for a person. */
import type { PlatformError } from "@effect/platform/Error"

const describe = (error: PlatformError, notFound: string, denied: string): string => {
  if (error._tag === "BadArgument") return error.description ?? error.message
  switch (error.reason) {
    case "NotFound":
      return notFound
    case "PermissionDenied":
      return denied
    default:
      return /EISDIR/.test(error.message) ? "it is a directory" : (error.description ?? error.message)
  }
}

/** The reason for which a file cannot be read. */
export const reasonOf = (error: PlatformError): string =>
  describe(error, "it is not there", "this user may not read it")

/** The reason for which a file cannot be written or removed. A missing file is created if its folder exists. */
export const reasonNotWritten = (error: PlatformError): string =>
  describe(error, "its folder is not there", "this user may not write there")
