/**
 * Settings of 0.4.0 that mean less here, or nothing.
 */
import { flag, optional } from "../Setting.js"
import * as Texts from "../Texts.js"

const retries = "How long to try when Consul does not answer, as in 0.4.0:"
const ignored = "Accepted for the sake of 0.4.0, and without a meaning here:"

export const retry = {
  retryEnabled: flag({
    name: "consul-retry",
    group: retries,
    description: "try again, for ever unless attempts are given; false ends the program at the first failure",
    default: true,
    keys: ["consul.retry.enabled"],
    schema: Texts.Truth
  }),
  retryAttempts: optional({
    name: "consul-retry-attempts",
    group: retries,
    value: "NUMBER",
    kind: "Number",
    description:
      "give up after as long as so many attempts take in 0.4.0, each a pause later than the one before; 0 for never",
    shownDefault: "0",
    keys: ["consul.retry.attempts"],
    schema: Texts.Number
  }),
  retryBackoff: optional({
    name: "consul-retry-backoff",
    group: retries,
    value: "DURATION",
    description: "the first of these pauses; each is twice as long as the one before",
    shownDefault: "250ms",
    keys: ["consul.retry.backoff"],
    schema: Texts.Duration
  }),
  retryMaxBackoff: optional({
    name: "consul-retry-max-backoff",
    group: retries,
    value: "DURATION",
    description: "the longest of these pauses; 0 for no limit",
    shownDefault: "1m",
    keys: ["consul.retry.max_backoff"],
    schema: Texts.Duration
  }),
  retryBoth: optional({
    name: "retry",
    hasVariable: false,
    replacedBy: "-consul-retry-backoff and -consul-retry-max-backoff",
    group: retries,
    value: "DURATION",
    description: "-consul-retry-backoff and -consul-retry-max-backoff in one, as before 0.4.0",
    keys: ["retry"],
    schema: Texts.Duration
  })
} as const

const duration = (name: string, key: string, description: string, hasFlag = true) =>
  optional({
    name,
    hasFlag,
    group: ignored,
    value: "DURATION",
    description,
    keys: [key],
    schema: Texts.Duration
  })

const number = (name: string, key: string, description: string, hasFlag = true) =>
  optional({
    name,
    hasFlag,
    group: ignored,
    value: "NUMBER",
    kind: "Number",
    description,
    keys: [key],
    schema: Texts.Number
  })

/** Settings that are checked and then ignored. The log warns of each that is given. */
export const withoutMeaning = {
  maxStale: duration("max-stale", "max_stale", "nothing that is copied is stale"),
  dialKeepAlive: duration(
    "consul-transport-dial-keep-alive",
    "consul.transport.dial_keep_alive",
    "connections are kept for as long as they serve"
  ),
  dialTimeout: duration(
    "consul-transport-dial-timeout",
    "consul.transport.dial_timeout",
    "-timeout limits the wait for an agent"
  ),
  disableKeepAlives: flag({
    name: "consul-transport-disable-keep-alives",
    group: ignored,
    description: "connections are kept for as long as they serve",
    keys: ["consul.transport.disable_keep_alives"],
    schema: Texts.Truth
  }),
  maxIdleConnsPerHost: number(
    "consul-transport-max-idle-conns-per-host",
    "consul.transport.max_idle_conns_per_host",
    "the number of connections follows from -watch-shards"
  ),
  tlsHandshakeTimeout: duration(
    "consul-transport-tls-handshake-timeout",
    "consul.transport.tls_handshake_timeout",
    "-timeout limits the wait for an agent"
  ),
  idleConnTimeout: duration(
    "consul-transport-idle-conn-timeout",
    "consul.transport.idle_conn_timeout",
    "connections are kept for as long as they serve",
    false
  ),
  maxIdleConns: number(
    "consul-transport-max-idle-conns",
    "consul.transport.max_idle_conns",
    "the number of connections follows from -watch-shards",
    false
  ),
  waitEnabled: flag({
    name: "wait-enabled",
    hasFlag: false,
    group: ignored,
    description: "0.4.0 looks at the durations of the block alone",
    keys: ["wait.bool"],
    schema: Texts.Truth
  })
} as const
