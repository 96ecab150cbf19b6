/** From where to where, for people: `nyc1 "global/" to "global/"`. */
export const routeText = (route: {
  /** What the source is called. */
  readonly source: string
  readonly prefix: string
  readonly destinationPrefix: string
}): string => `${route.source} ${JSON.stringify(route.prefix)} to ${JSON.stringify(route.destinationPrefix)}`
