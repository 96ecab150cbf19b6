/**
 * The operations of a Consul transaction, and their exact JSON.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Tenancy } from "./internal/consul/Endpoint.js"
import type { Value } from "./Value.js"

/**
 * One operation of a transaction. `Value.fromText`, `Value.fromBytes` and `Value.fromBase64` make a `value`. `flags` is a uint64.
 *
 * | operation      | it                                                                                    |
 * | -------------- | ------------------------------------------------------------------------------------- |
 * | `Set`          | writes the key                                                                        |
 * | `Cas`          | writes the key if its modify index is `index`; with 0, only if it does not exist      |
 * | `Delete`       | deletes the key, if it exists                                                         |
 * | `DeleteCas`    | deletes the key if its modify index is `index`                                        |
 * | `Lock`         | writes the key, and acquires it for `session`; fails if another session holds it      |
 * | `Unlock`       | writes the key, and releases it; fails unless `session` holds it                      |
 * | `CheckIndex`   | fails unless the modify index of the key is `index`                                   |
 * | `CheckSession` | fails unless `session` holds the key                                                  |
 * | `Get`          | returns the entry of the key, with its value; fails if the key does not exist         |
 * | `GetTree`      | returns the entries of all keys that begin with `key`                                 |
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
 * Base64 needs no escaping. A text that could end the string is not base64: it is escaped, so that it does not become
 * operations of its own behind the fence.
 */
const quoted = (value: string): string =>
  value.includes('"') || value.includes("\\") ? JSON.stringify(value) : `"${value}"`

/**
 * The operation in Consul's JSON. It is written by hand, because `JSON.stringify` cannot write a uint64. It calls
 * `JSON.stringify` for each text that can need escaping.
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

/** Texts of characters that JSON writes as they are, in one byte each. */
const plain = /^[ !#-[\]-~]*$/

const utf8 = new TextEncoder()

const quotedBytes = (text: string): number =>
  plain.test(text) ? text.length + 2 : utf8.encode(JSON.stringify(text)).length

/**
 * Bytes of the operation as {@link encode} writes it without a tenancy. They are counted, because every operation is sized
 * before the first one is sent: to encode it for that would do the work twice, or keep the text of all operations in memory.
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
