/**
 * Settings that all instances share, and settings of how one instance runs.
 */
import * as Duration from "effect/Duration"
import * as LeaderLock from "../../../LeaderLock.js"
import * as Replication from "../../../Replication.js"
import { flag, optional, repeated, setting } from "../Setting.js"
import * as Texts from "../Texts.js"

const instances = "The instances:"
const running = "How it runs:"
const log = "The log:"

/** `-timeout` with `-once`, unless it is given. */
export const onceTimeout = Duration.seconds(60)

/** 0.4.0's own. */
export const defaultStatusDir = "service/consul-replicate/statuses"

export const instance = {
  lock: setting({
    name: "lock",
    group: instances,
    value: "KEY",
    description: "key of the lock that the leading instance holds; another replication needs another",
    default: LeaderLock.defaults.lock,
    keys: ["lock"],
    schema: Texts.required(`the lock needs a key; write one such as ${LeaderLock.defaults.lock}`)
  }),
  status: setting({
    name: "status",
    reload: "kept",
    group: instances,
    value: "KEY",
    description: "key of the status, written with each change; another replication needs another",
    default: Replication.defaults.status,
    keys: ["status"],
    schema: Texts.required(`the status needs a key; write one such as ${Replication.defaults.status}`)
  }),
  statusDir: optional({
    name: "status-dir",
    reload: "kept",
    group: instances,
    value: "FOLDER",
    description:
      "folder of one status for each replication, named as by 0.4.0; for a prefix with its own datacenter, and for several",
    shownDefault: defaultStatusDir,
    keys: ["status_dir"],
    schema: Texts.required(`the statuses need a folder; write one such as ${defaultStatusDir}`)
  }),
  service: setting({
    name: "service",
    group: instances,
    value: "NAME",
    description: "name of the service under which the instances are registered",
    default: LeaderLock.defaults.service,
    keys: ["service"],
    schema: Texts.required(`the service needs a name; write one such as ${LeaderLock.defaults.service}`)
  }),
  agentless: flag({
    name: "agentless",
    group: instances,
    description:
      "several servers answer at the address, and no agent of this host: registers no service; a leader that is killed is " +
      "followed within twice the -session-ttl",
    keys: ["agentless"],
    schema: Texts.Truth
  }),
  sessionTtl: optional({
    name: "session-ttl",
    group: instances,
    value: "DURATION",
    description:
      "how long the session of the lock lives without a renewal, or longer if the servers demand it",
    shownDefault: "15s with -agentless, 30s without",
    keys: ["session_ttl"],
    schema: Texts.DurationOrNone
  }),
  configs: repeated({
    name: "config",
    reload: "refused",
    group: running,
    value: "PATH",
    description:
      "file of configuration in HCL or JSON, or a folder of such files; later ones count more; may be repeated",
    shownDefault: "none",
    schema: Texts.required("needs a file or a folder; write its path")
  }),
  once: flag({
    name: "once",
    reload: "refused",
    group: running,
    description:
      "replicate once and exit: 0, or 1 if deletes were held back, keys were refused, the token may not read the source " +
      "or a signal came first. Waits for the lock and for a source that does not answer, see -timeout",
    keys: ["once"],
    schema: Texts.Truth
  }),
  timeout: optional({
    name: "timeout",
    group: running,
    value: "DURATION",
    description:
      "how long to wait for one thing, such as an agent that does not answer or, with -once, the lock; then exit with 1 " +
      "and say what it was. 0 for ever",
    shownDefault: "0, or 60s with -once",
    keys: ["timeout"],
    schema: Texts.DurationOrNone
  }),
  reconcile: setting({
    name: "reconcile",
    group: running,
    value: "DURATION",
    description: "how often to look at the destination for what others changed; 0 for never",
    default: "60s",
    keys: ["reconcile"],
    reload: "kept",
    schema: Texts.Duration
  }),
  watchShards: setting({
    name: "watch-shards",
    group: running,
    value: "NUMBER",
    kind: "Number",
    description:
      `blocking queries for the parts of a prefix of more than ${Replication.defaults.shardKeys} keys; 1 to watch it ` +
      "as one",
    default: String(Replication.defaults.watchShards),
    keys: ["watch_shards"],
    schema: Texts.Number
  }),
  wait: optional({
    name: "wait",
    group: running,
    value: "MIN[:MAX]",
    description:
      "how long changes have to be quiet before they are replicated, and how long that waits at most",
    shownDefault: "0; 4 times MIN for MAX",
    keys: ["wait"],
    reload: "kept",
    schema: Texts.Wait
  }),
  waitMin: optional({
    name: "wait-min",
    hasFlag: false,
    group: running,
    value: "DURATION",
    description: "the first half of -wait",
    keys: ["wait.min"],
    reload: "kept",
    schema: Texts.Duration
  }),
  waitMax: optional({
    name: "wait-max",
    hasFlag: false,
    group: running,
    value: "DURATION",
    description: "the second half of -wait",
    keys: ["wait.max"],
    reload: "kept",
    schema: Texts.Duration
  }),
  pidFile: optional({
    name: "pid-file",
    reload: "refused",
    group: running,
    value: "FILE",
    description: "file that has the number of the process as long as it runs",
    shownDefault: "none",
    keys: ["pid_file"],
    schema: Texts.TextOrNone
  }),
  killSignal: setting({
    name: "kill-signal",
    group: running,
    value: "SIGNAL",
    description: "a signal that stops the program, beside SIGTERM, SIGINT and SIGQUIT",
    default: "SIGINT",
    keys: ["kill_signal"],
    schema: Texts.Signal
  }),
  reloadSignal: setting({
    name: "reload-signal",
    group: running,
    value: "SIGNAL",
    description: "the signal at which the configuration is read again; empty for none",
    default: "SIGHUP",
    keys: ["reload_signal"],
    schema: Texts.Signal
  }),
  logLevel: setting({
    name: "log-level",
    group: log,
    value: "LEVEL",
    description: "lowest level that is logged: trace, debug, info, warning or error",
    default: "info",
    variables: ["CR_LOG", "CONSUL_REPLICATE_LOG"],
    keys: ["log_level"],
    reload: "kept",
    schema: Texts.Level
  }),
  syslog: flag({
    name: "syslog",
    reload: "refused",
    group: log,
    description: "log to syslog too",
    keys: ["syslog.enabled"],
    schema: Texts.Truth
  }),
  syslogFacility: setting({
    name: "syslog-facility",
    reload: "refused",
    group: log,
    value: "FACILITY",
    description: "facility of syslog; asks for -syslog",
    default: "LOCAL0",
    keys: ["syslog.facility"],
    schema: Texts.Facility
  })
} as const
