/**
 * Go structs out of parsed JSON: which fields a body may have and of which type, with Go's error where it disagrees.
 *
 * Go matches names without regard to case, lets the last of repeated names win, takes `null` for "not given", goes
 * on after the first error and reports that one.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as GoDuration from "../../../internal/consul/GoDuration.js"
import type { ByteString } from "./ByteString.js"
import { type Parsed, parse } from "./GoJsonReader.js"

/** How a value of one Go type is read. */
export interface Type<A> {
  /** Go's name of the type, for errors. */
  readonly name: string
  /** What a field is that isn't in the body. */
  readonly zero: A
  /** Whether `null` means that, as for slices, maps and pointers; otherwise it leaves the field as it was. */
  readonly nullable?: true
  read(value: Parsed, context: Context, previous: A): A
}

interface Context {
  /** The struct that a field belongs to, its path from the top, and where the first error is kept. */
  readonly struct: string | undefined
  readonly path: string
  readonly errors: { first: ByteString | undefined }
}

type Fields = { readonly [name: string]: Type<unknown> }

/** What a type reads. */
export type Value<T> = T extends Type<infer A> ? A : never

/** Reads a body as one Go value. */
export const decode = <A>(type: Type<A>, body: ByteString): Either.Either<A, ByteString> =>
  Either.flatMap(parse(body), (value) => {
    const errors: Context["errors"] = { first: undefined }
    const read = accept(value, type, { struct: undefined, path: "", errors }, type.zero)
    return errors.first === undefined ? Either.right(read) : Either.left(errors.first)
  })

const accept = <A>(value: Parsed, type: Type<A>, context: Context, previous: A): A =>
  value.kind !== "null" ? type.read(value, context, previous) : type.nullable ? type.zero : previous

const fail = (context: Context, message: ByteString): void => {
  context.errors.first ??= message
}

const mismatch = (value: Parsed, name: string, context: Context, digits = ""): void => {
  const into = context.struct === undefined ? "Go value" : `Go struct field ${context.struct}.${context.path}`
  fail(context, `json: cannot unmarshal ${value.kind}${digits} into ${into} of type ${name}`)
}

// -----------------------------------------------------------------------------
// Types
// -----------------------------------------------------------------------------

const scalar = <A>(name: string, zero: A, from: (value: Parsed) => A | undefined): Type<A> => ({
  name,
  zero,
  read: (value, context, previous) => {
    const read = from(value)
    if (read === undefined) mismatch(value, name, context)
    return read ?? previous
  }
})

/** A string, or a named type that is one. */
export const string = (name = "string"): Type<ByteString> =>
  scalar(name, "", (value) => (value.kind === "string" ? value.value : undefined))

export const bool: Type<boolean> = scalar("bool", false, (value) =>
  value.kind === "bool" ? value.value : undefined
)

const integer = (name: string, least: bigint, most: bigint): Type<bigint> => ({
  name,
  zero: 0n,
  read: (value, context, previous) => {
    if (value.kind !== "number") {
      mismatch(value, name, context)
      return previous
    }
    const whole = /^-?\d+$/.test(value.digits) ? BigInt(value.digits) : undefined
    if (whole === undefined || whole < least || whole > most) {
      mismatch(value, name, context, ` ${value.digits}`)
      return previous
    }
    return whole
  }
})

export const uint64: Type<bigint> = integer("uint64", 0n, 2n ** 64n - 1n)

export const int: Type<bigint> = integer("int", -(2n ** 63n), 2n ** 63n - 1n)

/** A `[]byte`: base64. */
export const bytes: Type<Uint8Array> = {
  name: "[]uint8",
  nullable: true,
  zero: new Uint8Array(0),
  read: (value, context, previous) => {
    if (value.kind !== "string") {
      mismatch(value, "[]uint8", context)
      return previous
    }
    // Newlines inside are allowed; everything else is as strict as Go's standard encoding.
    const text = value.value.replace(/[\r\n]/g, "")
    const bad = misplaced(value.value)
    if (bad !== undefined) {
      fail(context, `illegal base64 data at input byte ${bad}`)
      return previous
    }
    return Either.getOrElse(Encoding.decodeBase64(text), () => previous)
  }
}

/** Where Go finds the first fault in base64, following its decoder four characters at a time. */
const misplaced = (text: string): number | undefined => {
  const newline = (at: number) => text[at] === "\n" || text[at] === "\r"
  let at = 0
  const skip = () => {
    while (newline(at)) at++
  }
  for (;;) {
    for (let have = 0; have < 4; have++) {
      skip()
      const c = text[at]
      if (c === undefined) return have === 0 ? undefined : at - have
      at++
      if (/[A-Za-z0-9+/]/.test(c)) continue
      if (c !== "=" || have < 2) return at - 1
      if (have === 2) {
        skip()
        if (text[at] === undefined) return text.length
        if (text[at] !== "=") return at - 1
        at++
      }
      skip()
      return at < text.length ? at : undefined
    }
  }
}

/** A duration in Go's notation, or a number of nanoseconds. */
export const duration: Type<bigint> = {
  name: "time.Duration",
  zero: 0n,
  read: (value, context, previous) => {
    if (value.kind === "number") return BigInt(Math.trunc(Number(value.digits)))
    if (value.kind !== "string") return previous
    const parsed = GoDuration.parse(value.value)
    if (Either.isLeft(parsed)) fail(context, parsed.left)
    return Either.getOrElse(parsed, () => previous)
  }
}

/** What the body says, unread. For fields that Consul takes in several forms. */
export const any: Type<Parsed | undefined> = { name: "interface {}", zero: undefined, read: (value) => value }

/** A slice; `undefined` is Go's nil, which an empty one isn't. */
export const array = <A>(of: Type<A>, name = `[]${of.name}`): Type<ReadonlyArray<A> | undefined> => ({
  name,
  zero: undefined,
  nullable: true,
  read: (value, context, previous) => {
    if (value.kind !== "array") {
      mismatch(value, name, context)
      return previous
    }
    return value.items.map((item) => accept(item, of, context, of.zero))
  }
})

/** A map with string keys; `undefined` is Go's nil. */
export const map = <A>(of: Type<A>): Type<ReadonlyMap<ByteString, A> | undefined> => ({
  name: `map[string]${of.name}`,
  nullable: true,
  zero: undefined,
  read: (value, context, previous) => {
    if (value.kind !== "object") {
      mismatch(value, `map[string]${of.name}`, context)
      return previous
    }
    return new Map(value.fields.map(([name, field]) => [name, accept(field, of, context, of.zero)]))
  }
})

/** A type whose missing fields are not zero, but what is given here. */
export const withDefault = <A>(type: Type<A>, zero: A): Type<A> => ({ ...type, zero })

/** A pointer: `undefined` where the body has nothing. */
export const optional = <A>(of: Type<A>): Type<A | undefined> => ({
  name: of.name,
  nullable: true,
  zero: undefined,
  read: (value, context, previous) => of.read(value, context, previous ?? of.zero)
})

/**
 * A struct. `display` is the name that Go's errors use for its fields, which for the anonymous structs inside
 * Consul's decoders is empty. `unknown` says what becomes of names that it doesn't have.
 */
export const struct = <F extends Fields>(
  name: string,
  fields: F,
  options: { readonly display?: string; readonly unknown: "refuse" | "ignore" }
): Type<{ readonly [K in keyof F]: Value<F[K]> }> => {
  type Struct = { [K in keyof F]: Value<F[K]> }
  const names = new Map(Object.keys(fields).map((field) => [field.toLowerCase(), field]))
  // Built field by field from `fields`, which the compiler cannot follow.
  const zero = Object.fromEntries(Object.entries(fields).map(([field, type]) => [field, type.zero])) as Struct
  return {
    name,
    zero,
    read: (value, context, previous) => {
      if (value.kind !== "object") {
        mismatch(value, name, context)
        return previous
      }
      const out: { [field: string]: unknown } = { ...previous }
      for (const [given, field] of value.fields) {
        const known = names.get(given.toLowerCase())
        const type = known === undefined ? undefined : fields[known]
        if (known === undefined || type === undefined) {
          if (options.unknown === "refuse") fail(context, `json: unknown field "${given}"`)
          continue
        }
        const path = context.path === "" ? known : `${context.path}.${known}`
        const inner = { ...context, struct: options.display ?? name.replace(/^.*\./, ""), path }
        out[known] = accept(field, type, inner, out[known])
      }
      return out as Struct
    }
  }
}
