/** A replication of a history, for the instances, the network and the judge. */
export interface Route {
  /** Datacenter of the source. */
  readonly source: string
  /** The prefix of the keys at the source. */
  readonly prefix: string
  /** The prefix of the keys at the destination. */
  readonly destinationPrefix: string
  /** The status key. No two replications have the same one. */
  readonly status: string
  /** Prefixes of the source's keys that are excluded on both sides. */
  readonly exclude: ReadonlyArray<string>
}

/** A replication in the configuration of an instance. */
export interface Configured {
  /** The prefix at the source, which identifies the replication. */
  readonly prefix: string
  /** The time between two full comparisons, in ms. A replication restarts if this changes. */
  readonly reconcile: number
}

/** All replications that a process runs at a time. */
export type Configuration = ReadonlyArray<Configured>

/** Whether a replication continues undisturbed from one configuration to the next. */
export const goesOn = (before: Configuration, after: Configuration, { prefix }: Route): boolean => {
  const [one, other] = [before, after].map((all) => all.find((configured) => configured.prefix === prefix))
  return one !== undefined && one.reconcile === other?.reconcile
}

/** The name of a key at the source, and at the destination. */
export const atSource = ({ destinationPrefix, prefix }: Route, key: string): string =>
  prefix + key.slice(destinationPrefix.length)

export const atDestination = ({ destinationPrefix, prefix }: Route, key: string): string =>
  destinationPrefix + key.slice(prefix.length)

export const isExcluded = ({ exclude }: Route, atSource: string): boolean =>
  exclude.some((front) => atSource.startsWith(front))

/** Whether a key of the destination is copied from the source. */
export const isCopy = (route: Route, key: string): boolean =>
  key.startsWith(route.destinationPrefix) && !isExcluded(route, atSource(route, key))
