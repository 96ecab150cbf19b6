import { describe, expect, it } from "@effect/vitest"
import * as RequestCounter from "../../bench/RequestCounter.js"

const get = "GET /v1/kv/a?index=7 HTTP/1.1\r\nHost: x\r\n\r\n"
const put = `PUT /v1/txn HTTP/1.1\r\ncontent-length: ${get.length}\r\n\r\n${get}`
const chunk = `${get.length.toString(16)};x=y\r\n${get}\r\n`
const chunked = `PUT /v1/kv/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\nTrailer: x\r\n\r\n`

const count = (text: string, pieces: number) => {
  const { feed } = RequestCounter.make()
  const bytes = Buffer.from(text)
  let requests = 0
  for (let at = 0; at < bytes.length; at += pieces) requests += feed(bytes.subarray(at, at + pieces))
  return requests
}

describe("the counter of requests", () => {
  for (const pieces of [1, 2, 3, 7, 64, 10_000]) {
    it(`counts requests and no bodies that look like some, in pieces of ${pieces} bytes`, () => {
      expect(count(get + put + chunked + get + put + get, pieces)).toBe(6)
    })
  }
})
