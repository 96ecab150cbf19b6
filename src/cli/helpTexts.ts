/**
 * The help of each command.
 */
import * as dev from "./dev.js"
import { type Help, programName } from "./help.js"
import * as options from "./options.js"

const common = {
  version: { description: "print the version" },
  help: { description: "print this text; -h does too" }
}

export const replicateHelp: Help = {
  usage: `${programName} -src=DATACENTER [options]`,
  summary:
    "Keeps a prefix of the local datacenter's key/value store equal to that of another datacenter, one way, until " +
    "stopped. Run several instances for availability: one leads, the others stand by.",
  options: { ...options.documented, ...common },
  commands: {
    demo: "three datacenters in memory, and what is replicated between them",
    dev: "datacenters in memory, for trying things and for tests"
  },
  footer: [
    "Options may be typed with one dash or two, as -name=value or -name value; durations as in 250ms or 1m30s. CONSUL_HTTP_ADDR and " +
      "CONSUL_HTTP_TOKEN are read as Consul's own commands read them."
  ]
}

export const demoHelp: Help = {
  usage: `${programName} demo`,
  summary:
    "Runs nyc1, sfo1 and ams2 in memory, a replicator from nyc1 for each of the other two, and shows what they copy.",
  options: common,
  commands: {},
  footer: []
}

export const devHelp: Help = {
  usage: `${programName} dev [-dc NAME=PORT ...]`,
  summary:
    "Serves datacenters in memory that answer as Consul 1.8 does (key/value store, transactions, sessions, agent, " +
    "catalog, health), until stopped. Nothing is kept.",
  options: { ...dev.documented, ...common },
  commands: {},
  footer: []
}
