/**
 * Settings of the connection to Consul: the destination's, and the source's where its cluster is another.
 */

import { mayRepeat } from "../AddressOption.js"
import { flag, optional, setting } from "../Setting.js"
import * as Texts from "../Texts.js"

const destinationGroup = "The Consul to replicate into:"
const sourceGroup = "The Consul to replicate from, if it is another:"

/** The names that the settings of one side have. */
interface Side {
  /** The heading in the help. */
  readonly group: string
  /** The front of the option's name: `consul` or `src`. */
  readonly flag: string
  /** The block of a configuration file. */
  readonly block: string
  /** Whether 0.4.0 and the `consul` command have names for it. */
  readonly isDestination: boolean
}

/** The settings of TLS. Each of them asks for TLS, unless `sslEnabled` is false. */
const tls = ({ block, flag: front, group, isDestination }: Side) => {
  const older = (name: string) => (isDestination ? [name] : [])
  const file = (
    name: string,
    key: string,
    variable: string,
    deprecated: ReadonlyArray<string>,
    description: string
  ) =>
    optional({
      name: `${front}-ssl-${name}`,
      group,
      value: "PATH",
      description,
      deprecated,
      variables: older(variable),
      keys: [`${block}.ssl.${key}`],
      schema: Texts.TextOrNone
    })
  return {
    sslEnabled: flag({
      name: `${front}-ssl`,
      group,
      description: "use TLS, as the other options of TLS and an https:// address do",
      deprecated: older("ssl"),
      variables: older("CONSUL_HTTP_SSL"),
      keys: [`${block}.ssl.enabled`],
      schema: Texts.Truth
    }),
    sslVerify: flag({
      name: `${front}-ssl-verify`,
      group,
      description: "verify the server's certificate",
      default: true,
      deprecated: older("ssl-verify"),
      variables: older("CONSUL_HTTP_SSL_VERIFY"),
      keys: [`${block}.ssl.verify`],
      schema: Texts.Truth
    }),
    caCert: file(
      "ca-cert",
      "ca_cert",
      "CONSUL_CACERT",
      older("ssl-ca-cert"),
      "file of certificate authorities to trust"
    ),
    caPath: file("ca-path", "ca_path", "CONSUL_CAPATH", older("ssl-ca-path"), "folder of such files"),
    cert: file(
      "cert",
      "cert",
      "CONSUL_CLIENT_CERT",
      older("ssl-cert"),
      `file of the client's certificate, and of its key if -${front}-ssl-key is not given`
    ),
    key: file("key", "key", "CONSUL_CLIENT_KEY", older("ssl-key"), "file of the client's key"),
    serverName: optional({
      name: `${front}-ssl-server-name`,
      group,
      value: "NAME",
      description: "name that the server's certificate has to have, if it is not that of the address",
      deprecated: older("ssl-server-name"),
      variables: older("CONSUL_TLS_SERVER_NAME"),
      keys: [`${block}.ssl.server_name`],
      schema: Texts.TextOrNone
    })
  }
}

/** The settings that say who sends the requests: token, user, namespace and partition. */
const identity = ({ block, flag: front, group, isDestination }: Side) => {
  const older = (...names: ReadonlyArray<string>) => (isDestination ? names : [])
  const plain = isDestination ? "" : `${front}-`
  return {
    token: optional({
      name: `${front}-token`,
      group,
      value: "TOKEN",
      description: "token of every request; other users see a command line, so a file is better",
      deprecated: older("token"),
      variables: older("CONSUL_HTTP_TOKEN", "CONSUL_TOKEN"),
      keys: [`${block}.token`],
      isSecret: true,
      schema: Texts.TextOrNone
    }),
    tokenFile: optional({
      name: `${front}-token-file`,
      group,
      value: "FILE",
      description:
        "file that holds the token, read again when it changes; counts before a token that is given in the same way",
      spellings: older("token-file"),
      variables: older("CONSUL_HTTP_TOKEN_FILE"),
      keys: [`${block}.token_file`],
      schema: Texts.TextOrNone
    }),
    auth: optional({
      name: `${front}-auth`,
      group,
      value: "USER[:PASSWORD]",
      description: "user and password of HTTP's basic authentication",
      deprecated: older("auth"),
      variables: older("CONSUL_HTTP_AUTH"),
      isSecret: true,
      schema: Texts.UserAndPassword
    }),
    authEnabled: flag({
      name: `${front}-auth-enabled`,
      hasFlag: false,
      group,
      description: "use the user and the password of the block, as they do unless this is false",
      keys: [`${block}.auth.enabled`],
      schema: Texts.Truth
    }),
    authUsername: optional({
      name: `${front}-auth-username`,
      hasFlag: false,
      group,
      value: "USER",
      description: "user of HTTP's basic authentication",
      keys: [`${block}.auth.username`],
      schema: Texts.Text
    }),
    authPassword: optional({
      name: `${front}-auth-password`,
      hasFlag: false,
      group,
      value: "PASSWORD",
      description: "password of HTTP's basic authentication",
      keys: [`${block}.auth.password`],
      isSecret: true,
      schema: Texts.TextOrNone
    }),
    namespace: optional({
      name: `${plain}namespace`,
      group,
      spellings: older("consul-namespace"),
      value: "NAME",
      description: "namespace of the keys (Consul Enterprise)",
      variables: older("CONSUL_NAMESPACE"),
      keys: [`${block}.namespace`],
      schema: Texts.TextOrNone
    }),
    partition: optional({
      name: `${plain}partition`,
      group,
      spellings: older("consul-partition"),
      value: "NAME",
      description: "admin partition of the keys (Consul Enterprise)",
      variables: older("CONSUL_PARTITION"),
      keys: [`${block}.partition`],
      schema: Texts.TextOrNone
    })
  }
}

const to: Side = { group: destinationGroup, flag: "consul", block: "consul", isDestination: true }
const from: Side = { group: sourceGroup, flag: "src", block: "src_consul", isDestination: false }

export const destination = {
  addr: setting({
    name: "addr",
    group: to.group,
    value: "ADDRESS",
    description:
      "the local Consul agent, host:port, an http(s):// URL or unix:///path; its datacenter is replicated into",
    default: "127.0.0.1:8500",
    spellings: ["consul-addr"],
    deprecated: ["consul"],
    variables: ["CONSUL_HTTP_ADDR"],
    keys: [`${to.block}.address`],
    mayRepeat,
    schema: Texts.Address
  }),
  ...identity(to),
  ...tls(to)
} as const

export const source = {
  addr: optional({
    name: "src-addr",
    group: from.group,
    value: "ADDRESS",
    description: "an agent of the source's own cluster, if that is not joined; -src may be left out then",
    shownDefault: "none",
    keys: [`${from.block}.address`],
    mayRepeat,
    schema: Texts.AddressOrNone
  }),
  ...identity(from),
  ...tls(from)
} as const
