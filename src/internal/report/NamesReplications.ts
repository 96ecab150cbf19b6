/** Whether log lines name the replication that they are about. */
import * as Context from "effect/Context"

/** Log lines name their replication if the process has several. A reload can change that. */
export class NamesReplications extends Context.Reference<NamesReplications>()(
  "consul-replicate/internal/NamesReplications",
  { defaultValue: () => (): boolean => false }
) {}
