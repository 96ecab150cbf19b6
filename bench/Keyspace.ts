/**
 * The keys of a measurement: their number, their prefix, and the shape of their folders. Every value has 100 bytes.
 */
import * as Arr from "effect/Array"

/**
 * - `flat`: all keys in one folder;
 * - `nested`: four levels of ten folders each;
 * - `deep`: all in one folder, five levels down;
 * - `lopsided`: nine tenths in one folder, the others in folders of ten beside it.
 */
export const shapes = ["flat", "nested", "deep", "lopsided"] as const
export type Shape = (typeof shapes)[number]

export interface Keyspace {
  /** The prefix of the keys. It ends with a slash. */
  readonly prefix: string
  readonly size: number
  readonly shape: Shape
}

/** The most operations of a transaction of Consul. */
export const operationsEach = 64

const valueBytes = 100

const name: Record<Shape, (i: string, index: number, size: number) => string> = {
  flat: (i) => `k${i}`,
  nested: (i) => `${[...i.slice(-5, -1)].join("/")}/k${i}`,
  deep: (i) => `a/b/c/d/e/k${i}`,
  lopsided: (i, index, size) => (index < size * 0.9 ? `huge/k${i}` : `small${i.slice(0, -1)}/k${i}`)
}

/** The name of a key, numbered from 0 to `size - 1`. The last one sorts after all others. */
export const key = ({ prefix, shape, size }: Keyspace, index: number): string =>
  index === size - 1 ? `${prefix}~last` : prefix + name[shape](String(index).padStart(7, "0"), index, size)

export const last = (keyspace: Keyspace): string => key(keyspace, keyspace.size - 1)

export const keys = (keyspace: Keyspace): ReadonlyArray<string> =>
  Arr.makeBy(keyspace.size, (index) => key(keyspace, index))

/** A value: a text, padded to the size of a value. */
export const valueOf = (text: string): string => `${text} `.padEnd(valueBytes, ".")

/** The body of a transaction that writes entries. */
export const transaction = (writes: ReadonlyArray<readonly [key: string, value: string]>): string =>
  JSON.stringify(
    writes.map(([key, value]) => ({
      KV: { Verb: "set", Key: key, Value: Buffer.from(value).toString("base64"), Flags: 0 }
    }))
  )
