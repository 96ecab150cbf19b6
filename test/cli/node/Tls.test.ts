import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Tls from "../../../src/cli/node/Tls.js"
import * as Expired from "../../support/ExpiredCertificate.js"
import { failureOf } from "../../support/Failure.js"

const folder = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* files.makeTempDirectoryScoped()
  return {
    path,
    write: (name: string, text: string) =>
      Effect.as(files.writeFileString(`${path}/${name}`, text), `${path}/${name}`),
    remove: (name: string) => files.remove(`${path}/${name}`)
  }
}).pipe(Effect.provide(NodeContext.layer))

describe("TLS to an agent", () => {
  it.scoped(
    "uses the files as they are when a connection is made, and the former ones while they are unusable",
    () =>
      Effect.gen(function* () {
        const { remove, write } = yield* folder
        const caFile = yield* write("ca.pem", Expired.certificate)
        const { options, refresh } = yield* Tls.make({ caFile })
        expect([refresh(), options().ca?.length]).toEqual([false, 1])
        yield* write("ca.pem", Expired.certificate.repeat(2))
        expect([refresh(), options().ca?.length]).toEqual([true, 2])
        yield* write("ca.pem", "half of a")
        expect([refresh(), options().ca?.length]).toEqual([false, 2])
        yield* remove("ca.pem")
        expect([refresh(), options().ca?.length]).toEqual([false, 2])
        yield* write("ca.pem", Expired.certificate)
        expect([refresh(), options().ca?.length]).toEqual([true, 1])
      })
  )

  it.scoped("trusts the authorities of all files in a folder and below it", () =>
    Effect.gen(function* () {
      const { path, write } = yield* folder
      yield* write("a.pem", Expired.certificate)
      yield* write("b.pem", Expired.certificate.repeat(2))
      expect((yield* Tls.make({ caPath: path })).options().ca).toHaveLength(3)
      yield* write("c.txt", "no certificate")
      expect(yield* failureOf(Tls.make({ caPath: path }))).toMatchObject({
        field: "caPath",
        problem: "it holds no certificate in PEM form"
      })
    })
  )

  it.scoped("takes the key from the file of the certificate, unless it has a file of its own", () =>
    Effect.gen(function* () {
      const { write } = yield* folder
      const certificateFile = yield* write("both.pem", Expired.certificate + Expired.key)
      expect((yield* Tls.make({ certificateFile })).options().key).toContain("PRIVATE KEY")
      const alone = yield* write("certificate.pem", Expired.certificate)
      expect(yield* failureOf(Tls.make({ certificateFile: alone }))).toMatchObject({
        field: "certificateFile",
        problem: "it holds no private key in PEM form"
      })
      const keyFile = yield* write("key.pem", Expired.key.replace("MIGH", "MIGI"))
      const broken = yield* failureOf(Tls.make({ certificateFile: alone, keyFile }))
      expect(broken).toMatchObject({ field: "keyFile", path: keyFile })
      expect(JSON.stringify(broken)).not.toContain("zSN9F8PsRvwBJ")
    })
  )

  it.scoped("refuses a certificate of this client that has expired, with the date", () =>
    Effect.gen(function* () {
      const { write } = yield* folder
      const certificateFile = yield* write("both.pem", Expired.certificate + Expired.key)
      yield* TestClock.setTime(Date.parse("2020-01-01T12:00:00Z"))
      yield* Tls.make({ certificateFile })
      yield* TestClock.setTime(Date.parse("2020-01-02T00:00:01Z"))
      expect((yield* failureOf(Tls.make({ certificateFile }))).message).toContain(
        "the certificate has expired on Jan  2 00:00:00 2020 GMT"
      )
    })
  )
})
