/** Names of sources in messages, and keys by which two sources are different. */
import type { Endpoint } from "../consul/Endpoint.js"

/** `own` is the endpoint of the client: a source at its address is named by the datacenter alone. */
export const nameOf = (own: Endpoint, { address, datacenter, namespace, partition }: Endpoint): string => {
  const place =
    datacenter === undefined ? address : address === own.address ? datacenter : `${datacenter} at ${address}`
  return [
    place,
    ...(namespace === undefined || namespace === own.namespace ? [] : [`namespace ${namespace}`]),
    ...(partition === undefined || partition === own.partition ? [] : [`partition ${partition}`])
  ].join(", ")
}

/** Makes keys that are equal for endpoints of the same place, token and password. The keys have no secret in them. */
export const keys = (): ((endpoint: Partial<Endpoint>) => string) => {
  const numbers = new Map<unknown, number>()
  const numberOf = (secret: unknown): number => {
    const number = numbers.get(secret) ?? numbers.size
    numbers.set(secret, number)
    return number
  }
  return ({ address, auth, datacenter, namespace, partition, token }) =>
    JSON.stringify([address, datacenter, namespace, partition, numberOf(token), numberOf(auth)])
}
