/**
 * The error of an answer whose status the caller does not expect.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ConsulError from "../../ConsulError.js"
import type { Endpoint } from "./Endpoint.js"
import type { Received, Request } from "./Exchange.js"
import * as Refusals from "./Refusals.js"
import * as Rights from "./Rights.js"
import * as Words from "./Words.js"

const decodeFailures = Schema.decodeUnknownOption(
  Schema.parseJson(
    Schema.Struct({
      Errors: Schema.Array(Schema.Struct({ OpIndex: Schema.NonNegativeInt, What: Schema.String }))
    })
  )
)

/** Fails with the error that an unexpected answer means. */
export const errorOf = (
  received: Received,
  asked: Request,
  { address, datacenter, settings, token }: Endpoint,
  knownDatacenters: Effect.Effect<ReadonlyArray<string> | undefined>
): Effect.Effect<never, ConsulError.ConsulError> => {
  const { status, text } = received
  const request = received.describe()
  const reason = Words.ofAnswer(text)
  if (status === 409) {
    const failures = decodeFailures(text)
    return Option.isNone(failures)
      ? new ConsulError.UnexpectedAnswer({ request, reason: "a conflict that names no operation" })
      : new ConsulError.Conflict({
          request,
          failures: failures.value.Errors.map((e) => ({ operation: e.OpIndex, reason: e.What }))
        })
  }
  if (status === 413) {
    return new ConsulError.TooLarge({ request, reason, limit: Refusals.tooMuch(received) })
  }
  if (status === 403 || Refusals.isDenial(text)) {
    return new ConsulError.Denied({
      request,
      reason,
      isAnonymous: token === undefined,
      right: asked.right ?? Rights.ofRequest(asked),
      datacenter,
      tokenSetting: settings?.token
    })
  }
  if (Refusals.isConnectionLimit(received)) {
    return new ConsulError.TooManyConnections({ request, address, isAnswered: true })
  }
  if (Refusals.isRateLimit(received)) {
    // A date of the server is compared with the time of day.
    return Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => new ConsulError.RateLimited({ request, retryAfter: Refusals.retryAfter(received, now) })
    )
  }
  if (Refusals.isNoLeader(received)) return new ConsulError.NoLeader({ request })
  if (Refusals.isNoPath(received)) {
    return Effect.flatMap(
      knownDatacenters,
      (datacenters) =>
        new ConsulError.NoPathToDatacenter({ request, datacenter: datacenter ?? "", datacenters })
    )
  }
  if (Words.isTlsExpected(status, text)) {
    const see = settings?.address === undefined ? "" : `, see ${settings.address}`
    return new ConsulError.Unreachable({
      request,
      address,
      reason: `what answers there speaks TLS; use an https:// address${see}`,
      setting: "address"
    })
  }
  return new ConsulError.Rejected({ request, status, reason })
}
