import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { ofAnswer, ofTransport, oneLine } from "../../src/internal/consul/Words.js"

const error = (message: string, fields: object = {}) => Object.assign(new Error(message), fields)

describe("why no answer came, in words", () => {
  it.each([
    [error("connect ECONNREFUSED 127.0.0.1:1"), "Other", /^connect ECONNREFUSED 127\.0\.0\.1:1$/],
    [
      Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" }),
      "Other",
      /^nothing listens there \(connect ECONNREFUSED 127\.0\.0\.1:1\)$/
    ],
    [error("fetch failed", { cause: error("connect ECONNREFUSED") }), "Other", /^connect ECONNREFUSED$/],
    [
      error("The client is destroyed", { code: "UND_ERR_DESTROYED" }),
      "ClientClosed",
      /^The client is destroyed$/
    ],
    [new AggregateError([error("a"), error("b")]), "Other", /^a$/],
    [
      error("803C0F6A:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/s.c:355:\n", {
        code: "ERR_SSL_WRONG_VERSION_NUMBER"
      }),
      "NoTls",
      /speaks no TLS; use an http:\/\/ address$/
    ],
    [
      error("803C:error:0A000126:SSL routines::unexpected eof while reading:../deps/openssl/s.c:649:\n", {
        code: "ERR_SSL_UNEXPECTED_EOF_WHILE_READING"
      }),
      "Other",
      /^unexpected eof while reading$/
    ],
    [
      error(
        "80:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../s.c:1605:\n",
        {
          code: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"
        }
      ),
      "Untrusted",
      /^the server wants a client certificate that it trusts; see the certificate of the HTTP client$/
    ],
    [
      error("other side closed", { code: "UND_ERR_SOCKET" }),
      "Other",
      /^the other side closed the connection, .*https:\/\//
    ],
    [
      error("self-signed certificate", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
      "Untrusted",
      /by NODE_EXTRA_CA_CERTS \(self-signed certificate\)$/
    ],
    [error("Expected HTTP/", { name: "HTTPParserError" }), "NoHttp", /speaks no HTTP/],
    ["refused", "Other", /^the connection failed$/]
  ] as const)("%s", (cause, kind, words) => {
    const said = ofTransport(cause)
    expect(said.kind).toBe(kind)
    expect(oneLine(said.words)).toMatch(words)
  })
})

describe("what an answer says", () => {
  it.each([
    ["No cluster leader\n", "No cluster leader"],
    ["<html>\r\n<head><title>404 Not Found</title></head>…", 'an HTML page, "404 Not Found"'],
    ["<!DOCTYPE html><body>hello", "an HTML page"],
    ["a\n  b", "a b"]
  ])("%j: %s", (text, said) => {
    expect(ofAnswer(text)).toBe(said)
  })

  it.prop(
    "is one line that a person would read",
    [fc.string({ unit: "binary", maxLength: 5_000 })],
    ([text]) => {
      expect(ofAnswer(text)).not.toMatch(/[\r\n]/)
      expect(ofAnswer(text).length).toBeLessThanOrEqual(200)
    }
  )
})
