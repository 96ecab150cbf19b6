/**
 * The catalog: nodes, their services and checks, and the indexes of catalog and health reads.
 */
import * as Either from "effect/Either"
import type { ByteString } from "../go/ByteString.js"
import * as OrderedMap from "../go/OrderedMap.js"
import * as Sessions from "./Sessions.js"
import * as Store from "./Store.js"

type Indexed = "createIndex" | "modifyIndex"

export type NewNode = Omit<Store.Node, Indexed>
export type NewService = Omit<Store.Service, Indexed>
export type NewCheck = Omit<Store.Check, Indexed | "serviceName" | "serviceTags">

/** The content of one log entry of an agent. */
export interface Registration {
  /** The name of the node. */
  readonly node: ByteString
  /** The node itself. Absent if only a service or checks change. */
  readonly info?: NewNode | undefined
  /** The service to register. */
  readonly service?: NewService | undefined
  /** The checks to register. */
  readonly checks: ReadonlyArray<NewCheck>
}

export const servicesOf = (state: Store.State, node: ByteString): ReadonlyArray<Store.Service> =>
  OrderedMap.withPrefix(state.services, Store.nodeKey(node))

export const checksOf = (state: Store.State, node: ByteString): ReadonlyArray<Store.Check> =>
  OrderedMap.withPrefix(state.checks, Store.nodeKey(node))

/** The instances of a service, in the order of their nodes and ids. */
export const instances = (state: Store.State, name: ByteString): ReadonlyArray<Store.Service> =>
  OrderedMap.values(state.services).filter((service) => service.name.toLowerCase() === name.toLowerCase())

/**
 * The index of a service. Its instances, their checks and their nodes move the index. If no service has the name, the index is
 * that of the last deregistration of a whole service.
 */
export const serviceIndex = (state: Store.State, name: ByteString, withChecks: boolean): number => {
  const own = state.indexes.get(`service.${name.toLowerCase()}`)
  const extinction = state.indexes.get("extinction")
  const tables: ReadonlyArray<Store.Table> = withChecks
    ? ["nodes", "services", "checks"]
    : ["nodes", "services"]
  return own ?? extinction ?? Store.indexOf(state, ...tables)
}

export const register = (draft: Store.Draft, registration: Registration): Either.Either<void, ByteString> => {
  if (registration.info !== undefined) ensureNode(draft, registration.info)
  if (!OrderedMap.has(draft.state.nodes, registration.node.toLowerCase())) return Either.left("Missing node")
  if (registration.service !== undefined) ensureService(draft, registration.service)
  for (const check of registration.checks) ensureCheck(draft, check)
  return Either.void
}

export const deregisterService = (draft: Store.Draft, node: ByteString, id: ByteString): void => {
  const service = OrderedMap.get(draft.state.services, Store.nodeKey(node, id))
  if (service === undefined) return
  for (const check of checksOf(draft.state, node)) {
    if (check.serviceId === service.id) deregisterCheck(draft, node, check.id)
  }
  const services = OrderedMap.remove(draft.state.services, Store.nodeKey(node, id))
  draft.state = { ...draft.state, services }
  Store.touch(draft, "services")
  if (instances(draft.state, service.name).length > 0) {
    touchService(draft, service.name)
    return
  }
  const indexes = new Map(draft.state.indexes)
  indexes.delete(`service.${service.name.toLowerCase()}`)
  draft.state = { ...draft.state, indexes }
  Store.touch(draft, "extinction")
}

export const deregisterCheck = (draft: Store.Draft, node: ByteString, id: ByteString): void => {
  const check = OrderedMap.get(draft.state.checks, Store.nodeKey(node, id))
  if (check === undefined) return
  touchServicesOf(draft, check)
  const checks = OrderedMap.remove(draft.state.checks, Store.nodeKey(node, id))
  draft.state = { ...draft.state, checks }
  Store.touch(draft, "checks", ...(check.serviceId === "" ? (["services"] as const) : []))
  Sessions.endWithCheck(draft, node, id)
}

const touchService = (draft: Store.Draft, name: ByteString): void =>
  Store.touch(draft, `service.${name.toLowerCase()}`)

/** Moves the index of the check's service. A check of the node moves the indexes of all services of the node. */
const touchServicesOf = (draft: Store.Draft, check: { node: ByteString; serviceId: ByteString }): void => {
  for (const service of servicesOf(draft.state, check.node)) {
    if (check.serviceId === "" || check.serviceId === service.id) touchService(draft, service.name)
  }
}

const ensureNode = (draft: Store.Draft, info: NewNode): void => {
  const key = info.name.toLowerCase()
  const before = OrderedMap.get(draft.state.nodes, key)
  if (before !== undefined && isSame(before, info)) return
  const node = { ...info, createIndex: before?.createIndex ?? draft.index, modifyIndex: draft.index }
  draft.state = { ...draft.state, nodes: OrderedMap.set(draft.state.nodes, key, node) }
  Store.touch(draft, "nodes")
  touchServicesOf(draft, { node: info.name, serviceId: "" })
}

const ensureService = (draft: Store.Draft, given: NewService): void => {
  const key = Store.nodeKey(given.node, given.id)
  const before = OrderedMap.get(draft.state.services, key)
  if (before !== undefined && isSame(before, given)) return
  const service = { ...given, createIndex: before?.createIndex ?? draft.index, modifyIndex: draft.index }
  draft.state = { ...draft.state, services: OrderedMap.set(draft.state.services, key, service) }
  Store.touch(draft, "services")
  touchService(draft, service.name)
}

const ensureCheck = (draft: Store.Draft, given: NewCheck): void => {
  const key = Store.nodeKey(given.node, given.id)
  const before = OrderedMap.get(draft.state.checks, key)
  const service = OrderedMap.get(draft.state.services, Store.nodeKey(given.node, given.serviceId))
  const withService = { ...given, serviceName: service?.name ?? "", serviceTags: service?.tags ?? [] }
  const changed = before === undefined || !isSame(before, withService)
  if (changed) touchServicesOf(draft, given)
  if (given.status === "critical") Sessions.endWithCheck(draft, given.node, given.id)
  // A registration moves the index of the table also if it changes nothing.
  Store.touch(draft, "checks")
  if (!changed) return
  const check = { ...withService, createIndex: before?.createIndex ?? draft.index, modifyIndex: draft.index }
  draft.state = { ...draft.state, checks: OrderedMap.set(draft.state.checks, key, check) }
}

/** Whether `before` has the fields of `given` with the same values. */
const isSame = (before: object, given: object): boolean => {
  const fieldsBefore = new Map(Object.entries(before))
  return Object.entries(given).every(([field, value]) => plain(fieldsBefore.get(field)) === plain(value))
}

/** A text that is the same for equal field values. Values are strings, numbers, booleans, lists and maps of strings. */
const plain = (value: unknown): string =>
  JSON.stringify(value instanceof Map ? Array.from(value).sort() : value) ?? ""
