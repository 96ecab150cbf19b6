/**
 * The address of the agent, as `-addr` or the environment give it.
 */
import * as Either from "effect/Either"
import * as Address from "../Address.js"
import { InvalidReplication } from "../Replication.js"

/** Refuses what the library does, in a line that names the option. */
export const parse = (text: string): Either.Either<Address.Address, InvalidReplication> =>
  Either.mapLeft(Address.parse(text), ({ problem, reason }) => {
    const advice = reason === "Credentials" ? ", see CONSUL_HTTP_TOKEN" : ""
    return new InvalidReplication({ option: "addr", problem: `${problem}${advice}` })
  })
