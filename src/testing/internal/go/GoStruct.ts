/**
 * Decodes parsed JSON into Go structs. If a body does not have the fields and types of its struct, the result is Go's error.
 *
 * Go matches names without regard to case. The last of repeated names wins. `null` means "not given". Go continues after the first
 * error, and reports the first one.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as GoDuration from "../../../internal/consul/GoDuration.js"
import type { ByteString } from "./ByteString.js"
import { type Parsed, parse } from "./GoJsonReader.js"

/** The decoder of one Go type. */
export interface Type<A> {
  /** Go's name of the type, for errors. */
  readonly name: string
  /** The value of a field that the body lacks. */
  readonly zero: A
  /** Whether `null` sets the field to `zero`, as for slices, maps and pointers. Otherwise `null` leaves the field unchanged. */
  readonly nullable?: true
  /** Decodes a value. After an error, returns `previous`. */
  read(value: Parsed, context: Context, previous: A): A
}

interface Context {
  /** The name of the struct that the field belongs to. */
  readonly struct: string | undefined
  /** The path of the field from the top of the body, joined with dots. */
  readonly path: string
  /** The first error of the whole body. */
  readonly errors: { first: ByteString | undefined }
}

type Fields = { readonly [name: string]: Type<unknown> }

/** The type of the values that a `Type` decodes. */
export type Value<T> = T extends Type<infer A> ? A : never

/** Decodes a body as one Go value. */
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

/** A string, or a named string type. */
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
    // Newlines are allowed. Everything else is as strict as Go's standard encoding.
    const text = value.value.replace(/[\r\n]/g, "")
    const position = firstFault(value.value)
    if (position !== undefined) {
      fail(context, `illegal base64 data at input byte ${position}`)
      return previous
    }
    return Either.getOrElse(Encoding.decodeBase64(text), () => previous)
  }
}

/** The position of the first fault in base64 that Go reports. Go decodes four characters at a time. */
const firstFault = (text: string): number | undefined => {
  const newline = (at: number) => text[at] === "\n" || text[at] === "\r"
  let at = 0
  const skip = () => {
    while (newline(at)) at++
  }
  for (;;) {
    for (let digit = 0; digit < 4; digit++) {
      skip()
      const c = text[at]
      if (c === undefined) return digit === 0 ? undefined : at - digit
      at++
      if (/[A-Za-z0-9+/]/.test(c)) continue
      if (c !== "=" || digit < 2) return at - 1
      if (digit === 2) {
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

/** The parsed JSON itself, for fields that Consul accepts in several forms. */
export const any: Type<Parsed | undefined> = { name: "interface {}", zero: undefined, read: (value) => value }

/** A slice. `undefined` is Go's nil, which differs from an empty slice. */
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

/** A map with string keys. `undefined` is Go's nil. */
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

/** Replaces the zero value of a type: fields that the body lacks have the values of `zero`. */
export const withDefault = <A>(type: Type<A>, zero: A): Type<A> => ({ ...type, zero })

/** A pointer. `undefined` if the body lacks the field. */
export const optional = <A>(of: Type<A>): Type<A | undefined> => ({
  name: of.name,
  nullable: true,
  zero: undefined,
  read: (value, context, previous) => of.read(value, context, previous ?? of.zero)
})

/**
 * A struct. `display` is the name of the struct in Go's errors: empty for the anonymous structs in Consul's decoders. With
 * `unknown: "refuse"`, a name that is no field of the struct is an error.
 */
export const struct = <F extends Fields>(
  name: string,
  fields: F,
  options: { readonly display?: string; readonly unknown: "refuse" | "ignore" }
): Type<{ readonly [K in keyof F]: Value<F[K]> }> => {
  type Struct = { [K in keyof F]: Value<F[K]> }
  const names = new Map(Object.keys(fields).map((field) => [field.toLowerCase(), field]))
  // The compiler cannot infer the type of an object that is built field by field.
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
      for (const [jsonName, json] of value.fields) {
        const field = names.get(jsonName.toLowerCase())
        const type = field === undefined ? undefined : fields[field]
        if (field === undefined || type === undefined) {
          if (options.unknown === "refuse") fail(context, `json: unknown field "${jsonName}"`)
          continue
        }
        const path = context.path === "" ? field : `${context.path}.${field}`
        const inner = { ...context, struct: options.display ?? name.replace(/^.*\./, ""), path }
        out[field] = accept(json, type, inner, out[field])
      }
      return out as Struct
    }
  }
}
