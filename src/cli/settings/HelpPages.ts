/**
 * The help of each command.
 */
import * as Dev from "../commands/Dev.js"
import * as StopSignals from "../node/StopSignals.js"
import * as Environment from "./Environment.js"
import { type Help, programName } from "./Help.js"
import * as Settings from "./Settings.js"

const common = [
  {
    name: "version",
    description: "print the version, the commit that it was built from, and that of Node.js; -v does too"
  },
  { name: "help", description: "print this text; -h does too" }
]

const under = (group: string) => common.map((option) => ({ ...option, group }))

export const replicateHelp: Help = {
  usage: `${programName} -src=DATACENTER [options]`,
  summary:
    "Keeps a prefix of the local datacenter's key/value store equal to that of another datacenter, one way, until " +
    "stopped. Run several instances for availability: one leads, the others stand by.",
  options: [...Settings.all, ...under("About the program:")],
  sections: [
    {
      title: "Commands:",
      entries: [
        ["completions SHELL", "print the completions of bash, fish or zsh"],
        ["demo", "three datacenters in memory, and what is replicated between them"],
        ["dev", "datacenters in memory, for trying things and for tests"],
        ["help [COMMAND]", "print the help of a command"],
        ["version", "print the version"]
      ]
    },
    {
      title: "Examples:",
      verbatim: [
        `${programName} -src=nyc1 -prefix=global/`,
        `${programName} -src=nyc1 -prefix=app/ -dst-prefix=nyc1/app/ -no-delete`,
        `${programName} -src=nyc1 -prefix=global/ -once`,
        `${programName} -config=/etc/consul-replicate.hcl`,
        `CONSUL_HTTP_TOKEN_FILE=/run/token ${programName} -src=nyc1 -prefix=app/`
      ]
    },
    { title: "Environment:", entries: Environment.documented },
    { title: "Signals:", entries: StopSignals.documented },
    {
      title: "Exit codes:",
      entries: [
        ["0", "done, or stopped by a signal"],
        [
          "1",
          "failed; with -once also if deletes were held back, keys were refused, or a signal came before it was done"
        ],
        ["2", "wrong use, before anything was touched"]
      ]
    }
  ],
  footer: [
    "Options have one dash or two, as -name=value or -name value. Durations are written as 250ms, 60s or 1m30s. " +
      "An option counts before files, and files count before the variables in brackets, of which the first that is set " +
      "counts. docs/options.md has the keys of files and the older names that work."
  ]
}

export const demoHelp: Help = {
  usage: `${programName} demo`,
  summary:
    "Runs nyc1, sfo1 and ams2 in memory, a replicator from nyc1 for each of the other two, and shows what they copy.",
  options: under("Options:"),
  sections: [],
  footer: []
}

export const devHelp: Help = {
  usage: `${programName} dev [-dc NAME=PORT ...]`,
  summary:
    "Serves datacenters in memory that answer as Consul 1.8 does (key/value store, transactions, sessions, agent, " +
    "catalog, health), until stopped. Nothing is kept.",
  options: [...Dev.settings, ...under("Options:")],
  sections: [{ title: "Examples:", verbatim: [`${programName} dev -dc nyc1=8500 -dc sfo1=9500`] }],
  footer: []
}
