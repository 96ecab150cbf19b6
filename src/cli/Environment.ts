/**
 * What Consul's own tools read from the environment, and this one too.
 */
import * as Config from "effect/Config"

/** The token of every request. It is kept redacted from here on. */
export const token = Config.option(Config.redacted("CONSUL_HTTP_TOKEN"))

/** The address of the agent where `-addr` is not given. */
export const address = Config.option(Config.nonEmptyString("CONSUL_HTTP_ADDR"))
