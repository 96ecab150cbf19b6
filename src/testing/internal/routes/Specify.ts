/**
 * What datacenters and agents a simulated Consul is asked to have.
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
  /** Its node name. */
  readonly name: string
  /** Host and port under which the in-process client finds it, as in `127.0.0.1:8500`. */
  readonly address: string
  /** Whether it is one of the servers; the first one leads. Default `true`. */
  readonly server?: boolean
}

/**
 * A datacenter and its agents. A name alone has one agent, a server called `<name>-a`: the first such datacenter
 * at `127.0.0.1:8500`, the next one at `127.0.0.1:9500`, and so on.
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
