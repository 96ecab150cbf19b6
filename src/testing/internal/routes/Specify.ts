/**
 * The description of a simulated Consul's datacenters and agents.
 */
import type { Settings } from "../cluster/Settings.js"
import type { DatacenterSpec } from "../cluster/World.js"

/**
 * One agent of a datacenter.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentOptions {
  /** The node name of the agent. */
  readonly name: string
  /** Host and port of the agent's HTTP API, for example `127.0.0.1:8500`. The in-process client connects to it. */
  readonly address: string
  /** Whether the agent is a server. The first server leads. Default `true`. */
  readonly server?: boolean
}

/**
 * A datacenter and its agents. A datacenter that is given by its name alone has one agent, the server `<name>-a`. The address of
 * the agent is `127.0.0.1:8500` for the first datacenter of the list, `127.0.0.1:9500` for the second, and so on.
 *
 * @since 0.1.0
 * @category models
 */
export type DatacenterOptions =
  | string
  | ({
      readonly name: string
      readonly agents: readonly [AgentOptions, ...ReadonlyArray<AgentOptions>]
    } & Partial<Settings>)

const firstPort = 8500
const nextPort = 1000

export const specify = (datacenters: ReadonlyArray<DatacenterOptions>): ReadonlyArray<DatacenterSpec> =>
  datacenters.map((options, i) =>
    typeof options === "string"
      ? {
          name: options,
          settings: {},
          agents: [{ name: `${options}-a`, address: `127.0.0.1:${firstPort + i * nextPort}`, server: true }]
        }
      : withSettings(options)
  )

const withSettings = ({ agents, name, ...settings }: Exclude<DatacenterOptions, string>): DatacenterSpec => ({
  name,
  settings,
  agents: agents.map((agent) => ({ server: true, ...agent }))
})
