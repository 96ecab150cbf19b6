/**
 * TLS to one agent: the authorities that are trusted, the certificate of this client, and the name that the server's
 * certificate has to be for. Changed files are read again for each new connection, so a renewed certificate needs no
 * restart.
 */
import { X509Certificate } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodeTls from "node:tls"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"

/** All of it may be absent: then Node's own authorities are trusted, and no certificate is sent. */
export interface TlsSettings {
  /** File with the certificates of the authorities that are trusted, in PEM form, in place of Node's own. */
  readonly caFile?: string | undefined
  /** Folder with such files; all files in it and in the folders below are read. */
  readonly caPath?: string | undefined
  /** File with the certificate of this client, and of the authorities between, in PEM form. */
  readonly certificateFile?: string | undefined
  /** File with the key of the certificate. The file of the certificate unless given. */
  readonly keyFile?: string | undefined
  /** The name that the server's certificate has to be for, in place of the host in the address. */
  readonly serverName?: string | undefined
  /** Whether the server's certificate is verified; true unless given. */
  readonly verify?: boolean | undefined
}

/** A problem with a file of certificates or keys. No field repeats what the file holds. */
export class TlsProblem extends Data.TaggedError("TlsProblem")<{
  readonly field: "caFile" | "caPath" | "certificateFile" | "keyFile"
  readonly path: string
  readonly problem: string
}> {
  override get message() {
    return `${this.field} ${JSON.stringify(this.path)}: ${this.problem}`
  }
}

/** Options of `tls.connect`. */
export interface Options {
  readonly ca?: Array<string>
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
  readonly rejectUnauthorized: boolean
}

export interface Tls {
  /** The options from the files, as they were last read. */
  readonly options: () => Options
  /** Reads the files again if one of them has changed. Returns whether `options` has changed. */
  readonly refresh: () => boolean
}

type Read<A> = Either.Either<A, TlsProblem>

const codes: Readonly<Record<string, string>> = {
  ENOENT: "it is not there",
  EACCES: "this user may not read it",
  EISDIR: "it is a directory",
  ENOTDIR: "it is no directory"
}

const reasonOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return codes[code] ?? `it cannot be read${code === "" ? "" : ` (${code})`}`
}

const attempt = <A>(field: TlsProblem["field"], path: string, read: () => A): Read<A> =>
  Either.try({ try: read, catch: (error) => new TlsProblem({ field, path, problem: reasonOf(error) }) })

const certificates = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g

/** The certificates of a file, each in PEM form. */
const certificatesIn = (
  field: TlsProblem["field"],
  path: string
): Read<readonly [string, ...Array<string>]> =>
  Either.flatMap(
    attempt(field, path, () => Fs.readFileSync(path, "utf8")),
    (text) => {
      const invalid = (problem: string) => Either.left(new TlsProblem({ field, path, problem }))
      const [first, ...more] = text.match(certificates) ?? []
      if (first === undefined) return invalid("it holds no certificate in PEM form")
      try {
        for (const pem of [first, ...more]) new X509Certificate(pem)
        return Either.right([first, ...more] as const)
      } catch {
        return invalid("it holds a certificate that cannot be read")
      }
    }
  )

/** All files in a folder, and in the folders below, in the order of their names. */
const filesIn = (path: string): ReadonlyArray<string> =>
  Fs.readdirSync(path, { withFileTypes: true })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      const below = Path.join(path, entry.name)
      return Fs.statSync(below).isDirectory() ? filesIn(below) : [below]
    })

const authorities = ({ caFile, caPath }: TlsSettings): Read<Array<string> | undefined> =>
  Either.gen(function* () {
    if (caFile === undefined && caPath === undefined) return undefined
    const ofFile = caFile === undefined ? [] : yield* certificatesIn("caFile", caFile)
    if (caPath === undefined) return [...ofFile]
    const files = yield* attempt("caPath", caPath, () => filesIn(caPath))
    if (files.length === 0) {
      return yield* Either.left(
        new TlsProblem({ field: "caPath", path: caPath, problem: "it holds no file" })
      )
    }
    const ofFolder = yield* Either.all(files.map((file) => certificatesIn("caPath", file)))
    return [...ofFile, ...ofFolder.flat()]
  })

/** The certificate of this client, and its key. Refuses a certificate that has expired at `now` (ms). */
const identity = (
  { certificateFile, keyFile }: TlsSettings,
  now: number
): Read<{ readonly cert: string; readonly key: string } | undefined> =>
  Either.gen(function* () {
    if (certificateFile === undefined) {
      return keyFile === undefined
        ? undefined
        : yield* Either.left(
            new TlsProblem({ field: "keyFile", path: keyFile, problem: "a key needs a certificate, too" })
          )
    }
    const chain = yield* certificatesIn("certificateFile", certificateFile)
    const cert = chain.join("\n")
    const { validTo } = new X509Certificate(chain[0])
    if (Date.parse(validTo) < now) {
      return yield* Either.left(
        new TlsProblem({
          field: "certificateFile",
          path: certificateFile,
          problem: `the certificate has expired on ${validTo}`
        })
      )
    }
    const field = keyFile === undefined ? "certificateFile" : "keyFile"
    const path = keyFile ?? certificateFile
    const key = yield* attempt(field, path, () => Fs.readFileSync(path, "utf8"))
    if (!key.includes("PRIVATE KEY-----")) {
      return yield* Either.left(
        new TlsProblem({ field, path, problem: "it holds no private key in PEM form" })
      )
    }
    return yield* Either.try({
      try: () => {
        NodeTls.createSecureContext({ cert, key })
        return { cert, key }
      },
      catch: (error) => {
        const isOther = error instanceof Error && /key values mismatch/.test(error.message)
        const problem = isOther
          ? `the key is not that of the certificate in ${JSON.stringify(certificateFile)}`
          : "the private key cannot be read; it must not be encrypted"
        return new TlsProblem({ field, path, problem })
      }
    })
  })

const optionsOf = (settings: TlsSettings, now: number): Read<Options> =>
  Either.gen(function* () {
    const ca = yield* authorities(settings)
    const own = yield* identity(settings, now)
    const { serverName, verify = true } = settings
    return {
      ...(ca !== undefined && { ca }),
      ...own,
      ...(serverName !== undefined && { servername: serverName }),
      rejectUnauthorized: verify
    }
  })

/** What changes with the files: of each its time, size and number. */
const stampOf = ({ caFile, caPath, certificateFile, keyFile }: TlsSettings): string => {
  try {
    const files = [caFile, certificateFile, keyFile, ...(caPath === undefined ? [] : filesIn(caPath))]
    return files
      .filter((file) => file !== undefined)
      .map((file) => {
        const { ino, mtimeMs, size } = Fs.statSync(file)
        return `${file} ${ino} ${mtimeMs} ${size}`
      })
      .join("\n")
  } catch {
    return ""
  }
}

/** Reads the files, and refuses what cannot be used. */
export const make = (settings: TlsSettings): Effect.Effect<Tls, TlsProblem> =>
  Effect.flatMap(Effect.clock, (clock) =>
    Effect.suspend(() => {
      let stamp = stampOf(settings)
      return Effect.map(optionsOf(settings, clock.unsafeCurrentTimeMillis()), (read): Tls => {
        let options = read
        return {
          options: () => options,
          refresh: () => {
            const now = stampOf(settings)
            // Files that are being replaced cannot be read for a moment: the former ones are used until then.
            if (now === stamp || now === "") return false
            const again = optionsOf(settings, clock.unsafeCurrentTimeMillis())
            if (Either.isLeft(again)) return false
            stamp = now
            options = again.right
            return true
          }
        }
      })
    })
  )
