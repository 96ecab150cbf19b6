/**
 * The operations of a Consul transaction, and their exact JSON.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Tenancy } from "./Endpoint.js"
import type { Value } from "./Value.js"

/**
 * `value` is made by `Value.fromText`, `Value.fromBytes` or `Value.fromBase64`; `flags` is a uint64. `Cas` with index 0 creates the key only if it is absent. `CheckSession`
 * fails unless exactly that session holds the key. `Get` answers with the entry, value and all, and fails where there is
 * none; `GetTree` with all entries whose keys start with `key`.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation = Data.TaggedEnum<{
  Set: { readonly key: string; readonly value: Value; readonly flags: bigint }
  Cas: { readonly key: string; readonly value: Value; readonly flags: bigint; readonly index: number }
  Delete: { readonly key: string }
  DeleteCas: { readonly key: string; readonly index: number }
  Lock: { readonly key: string; readonly value: Value; readonly flags: bigint; readonly session: string }
  Unlock: { readonly key: string; readonly value: Value; readonly flags: bigint; readonly session: string }
  CheckIndex: { readonly key: string; readonly index: number }
  CheckSession: { readonly key: string; readonly session: string }
  Get: { readonly key: string }
  GetTree: { readonly key: string }
}>

/**
 * @since 0.1.0
 * @category constructors
 */
export const Operation = Data.taggedEnum<Operation>()

const verbs: Record<Operation["_tag"], string> = {
  Set: "set",
  Cas: "cas",
  Delete: "delete",
  DeleteCas: "delete-cas",
  Lock: "lock",
  Unlock: "unlock",
  CheckIndex: "check-index",
  CheckSession: "check-session",
  Get: "get",
  GetTree: "get-tree"
}

/**
 * Base64 needs no escaping. What could end the string is no base64, and must not become operations of its own, for which
 * the fence would hold as well.
 */
const quoted = (value: string): string =>
  value.includes('"') || value.includes("\\") ? JSON.stringify(value) : `"${value}"`

/**
 * The operation as Consul reads it. Written by hand because `JSON.stringify` has no number for a uint64; all that can
 * need escaping goes through it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (operation: Operation, { namespace, partition }: Tenancy = {}): string => {
  let fields = `"Verb":"${verbs[operation._tag]}","Key":${JSON.stringify(operation.key)}`
  if ("value" in operation) fields += `,"Value":${quoted(operation.value)},"Flags":${operation.flags}`
  if ("index" in operation) fields += `,"Index":${operation.index}`
  if ("session" in operation) fields += `,"Session":${JSON.stringify(operation.session)}`
  if (namespace !== undefined) fields += `,"Namespace":${JSON.stringify(namespace)}`
  if (partition !== undefined) fields += `,"Partition":${JSON.stringify(partition)}`
  return `{"KV":{${fields}}}`
}

/** Characters that JSON writes as they are, in one byte each. */
const plain = /^[ !#-[\]-~]*$/

const utf8 = new TextEncoder()

const quotedBytes = (text: string): number =>
  plain.test(text) ? text.length + 2 : utf8.encode(JSON.stringify(text)).length

/**
 * How many bytes {@link encode} makes of the operation without a tenancy. Counted, because every operation is sized to be packed before
 * the first is sent: encoding it for that would do the work twice, or keep the text of all of them in memory.
 *
 * @since 0.1.0
 * @category encoding
 */
export const sizeOf = (operation: Operation): number => {
  let bytes = '{"KV":{"Verb":"","Key":}}'.length + verbs[operation._tag].length + quotedBytes(operation.key)
  if ("value" in operation) {
    bytes += ',"Value":"","Flags":'.length + operation.value.length + String(operation.flags).length
  }
  if ("index" in operation) bytes += ',"Index":'.length + String(operation.index).length
  if ("session" in operation) bytes += ',"Session":'.length + quotedBytes(operation.session)
  return bytes
}
