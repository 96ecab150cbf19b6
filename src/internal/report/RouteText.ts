/** A route for people: `nyc1 "global/" to "global/"`. */
export const routeText = (route: {
  /** The name of the source. */
  readonly source: string
  /** The prefix at the source. */
  readonly prefix: string
  /** The prefix at the destination. */
  readonly destinationPrefix: string
}): string => `${route.source} ${JSON.stringify(route.prefix)} to ${JSON.stringify(route.destinationPrefix)}`
