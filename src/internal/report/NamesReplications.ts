/** Whether log lines name the replication that they are about. */
import * as Context from "effect/Context"

/** They do if a process has several. That changes while it runs. */
export class NamesReplications extends Context.Reference<NamesReplications>()(
  "consul-replicate/internal/NamesReplications",
  { defaultValue: () => (): boolean => false }
) {}
