/** A replication of a history, as the instances, the network and the judge know it. */
export interface Route {
  /** Datacenter of the source. */
  readonly source: string
  /** What its keys begin with at the source, and at the destination. */
  readonly prefix: string
  readonly destinationPrefix: string
  /** Key of its status, which no other replication has. */
  readonly status: string
  /** Fronts of keys of the source that are left alone on both sides. */
  readonly exclude: ReadonlyArray<string>
}

/** What the configuration of an instance says about a replication. */
export interface Configured {
  /** Which replication it is: its prefix at the source. */
  readonly prefix: string
  /** Between two comparisons in full, in ms. A replication of which it has changed begins anew. */
  readonly reconcile: number
}

/** All replications that a process runs at a time. */
export type Configuration = ReadonlyArray<Configured>

/** Whether a replication goes on undisturbed from one configuration to the next. */
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
