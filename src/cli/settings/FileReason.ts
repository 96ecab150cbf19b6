/** Why a file cannot be read or written, in words for a person. */
import type { PlatformError } from "@effect/platform/Error"

export const reasonOf = (error: PlatformError): string => {
  if (error._tag === "BadArgument") return error.description ?? error.message
  switch (error.reason) {
    case "NotFound":
      return "it is not there"
    case "PermissionDenied":
      return "this user may not read it"
    default:
      return /EISDIR/.test(error.message) ? "it is a directory" : (error.description ?? error.message)
  }
}
