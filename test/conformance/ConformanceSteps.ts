/**
 * Generates requests from small alphabets, so that requests are often about the same keys.
 */
import * as fc from "effect/FastCheck"
import * as ByteString from "../../src/testing/internal/go/ByteString.js"
import type { Step } from "./ConformanceStep.js"

const oneOf = <const A>(...values: ReadonlyArray<A>) => fc.constantFrom(...values)

/** Keys in a path: prefixes of each other, and every special character of paths. */
const pathKey = fc.oneof(
  { weight: 6, arbitrary: oneOf("a", "b", "a/", "a/b", "a/b/c", "ab", "a/c", "") },
  {
    weight: 2,
    arbitrary: oneOf(
      "a%2Fb",
      "A",
      "%C3%A9",
      "%F0%9F%98%80",
      "%FF",
      "a%FFb",
      "%C3",
      "%ED%A0%80",
      "a%20b",
      "a+b",
      "a%2Bb",
      "%25",
      "a%3Fb",
      "%26%3C%3E",
      "a:b;c=d,@$!*'()",
      "~%5B%5D%22%5C",
      "%EF%BF%BD",
      "%F0%9F%A5%B2",
      "%E3%8B%BF"
    )
  },
  {
    weight: 1,
    arbitrary: oneOf(
      "a//b",
      "/a",
      "a%2F%2Fb",
      "a/../b",
      "a/.",
      "./a/",
      "..",
      "a%0Ab",
      "%00",
      "%7F",
      "%E2%80%A8",
      "%C2%A0",
      "%zz",
      "%",
      "a//b?x=%22<>&'"
    )
  }
)

/** Keys in JSON, which accepts every character. */
const jsonKey = fc.oneof(
  { weight: 6, arbitrary: oneOf("a", "b", "a/", "a/b", "a/b/c", "ab", "a/c") },
  {
    weight: 2,
    arbitrary: oneOf(
      "a//b",
      "a\nb",
      "\u2028",
      "é",
      "😀",
      "<&>",
      "\0",
      "\x7f",
      "../x",
      'say "\\"',
      "\ufffd",
      "\u00a0\t",
      "🥲",
      "\u32ff"
    )
  }
)

const value = oneOf("", "1", "2", "text", "\xff\x00", "é", "{}")

const flags = oneOf("0", "1", "42", "9007199254740993", "18446744073709551615")

const session = oneOf("{session 0}", "{session 0}", "{session 1}", "{session 2}")

const wrongSession = oneOf(
  "",
  "x",
  "{session 9}",
  "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
  "--------".padEnd(36, "0")
)

/** A subset of the parameters. */
const query = (...options: ReadonlyArray<fc.Arbitrary<string>>) =>
  fc
    .tuple(...options.map((option) => fc.option(option, { freq: 4, nil: "" })))
    .map((given) => given.filter((parameter) => parameter !== "").join("&"))
    .map((parameters) => (parameters === "" ? "" : `?${parameters}`))

const step = (method: string, target: string, body = ""): Step => ({ method, target, body })

// -----------------------------------------------------------------------------
// Keys
// -----------------------------------------------------------------------------

const consistency = oneOf("stale", "consistent", "stale", "dc=nyc1", "dc=none", "pretty", "stale&consistent")

const read = fc
  .tuple(
    pathKey,
    oneOf("", "recurse", "keys", "keys&separator=/", "keys&separator=b", "raw"),
    query(
      consistency,
      oneOf("index={index -1}&wait=1m", "index={index}&wait=3ms", "index=0", "index=x", "wait=1x", "wait=-1s")
    )
  )
  .map(([key, kind, rest]) => {
    const target = `/v1/kv/{prefix}${key}`
    const parameters = [kind, rest.slice(1)].filter((part) => part !== "").join("&")
    return step("GET", parameters === "" ? target : `${target}?${parameters}`)
  })

const cas = fc
  .tuple(pathKey, oneOf("", " 1", " -1"))
  .map(([key, delta]) => ({ key, cas: `cas={modify ${key}${delta}}` }))
  .filter(({ key }) => /^[a-z/]+$/.test(key) && !key.startsWith("/"))

const write = fc.oneof(
  fc
    .tuple(
      pathKey,
      query(
        flags.map((n) => `flags=${n}`),
        consistency
      ),
      value
    )
    .map(([key, rest, body]) => step("PUT", `/v1/kv/{prefix}${key}${rest}`, body)),
  fc.tuple(cas, value).map(([{ key, cas }, body]) => step("PUT", `/v1/kv/{prefix}${key}?${cas}`, body)),
  fc
    .tuple(
      pathKey,
      oneOf("acquire", "acquire", "release"),
      fc.oneof({ weight: 4, arbitrary: session }, wrongSession),
      value
    )
    .map(([key, kind, id, body]) => step("PUT", `/v1/kv/{prefix}${key}?${kind}=${id}`, body)),
  fc
    .tuple(
      pathKey,
      oneOf("flags=x", "flags=-1", "flags=18446744073709551616", "cas=x", "cas=0&acquire=x", "cas=0", "cas=1")
    )
    .map(([key, rest]) => step("PUT", `/v1/kv/{prefix}${key}?${rest}`, "odd"))
)

const remove = fc.oneof(
  fc
    .tuple(pathKey, oneOf("", "", "?recurse"))
    .map(([key, rest]) => step("DELETE", `/v1/kv/{prefix}${key}${rest}`)),
  cas.map(({ key, cas }) => step("DELETE", `/v1/kv/{prefix}${key}?${cas}`)),
  fc
    .tuple(pathKey, oneOf("cas=0", "cas=x", "cas=1&recurse"))
    .map(([key, rest]) => step("DELETE", `/v1/kv/{prefix}${key}?${rest}`))
)

// -----------------------------------------------------------------------------
// Transactions
// -----------------------------------------------------------------------------

const verb = oneOf(
  "set",
  "set",
  "cas",
  "lock",
  "unlock",
  "get",
  "get-tree",
  "check-index",
  "check-session",
  "check-not-exists",
  "delete",
  "delete-tree",
  "delete-cas",
  "nonsense"
)

const readVerb = oneOf("get", "get-tree", "check-index", "check-session", "check-not-exists")

const operation = (verb: fc.Arbitrary<string>) =>
  fc
    .record({
      Verb: verb,
      Key: jsonKey,
      Value: value,
      Flags: flags,
      Index: oneOf("0", "{modify a}", "{modify b}", "{modify a/b}", "1"),
      Session: fc.oneof({ weight: 6, arbitrary: session }, wrongSession)
    })
    .map(({ Flags, Index, Key, Session, Value, Verb }) => {
      const has = (...verbs: ReadonlyArray<string>) => verbs.includes(Verb)
      const writes = has("set", "cas", "lock", "unlock")
      const encoded = Buffer.from(Value, "latin1").toString("base64")
      const fields = [
        `"Verb":"${Verb}"`,
        `"Key":"{prefix}${JSON.stringify(Key).slice(1, -1)}"`,
        ...(writes ? [`"Value":"${encoded}"`, `"Flags":${Flags}`] : []),
        ...(has("cas", "check-index", "delete-cas") ? [`"Index":${Index}`] : []),
        ...(has("lock", "unlock", "check-session") ? [`"Session":"${Session}"`] : [])
      ]
      return `{"KV":{${fields.join(",")}}}`
    })

const brokenTxn = oneOf(
  "",
  "[",
  "{}",
  "null",
  "[]",
  "[{}]",
  "[] x",
  '[{"KV":{"Verb":"set","Key":""}}]',
  '[{"KV":{"Verb":"get","Key":""}}]',
  '[{"KV":{"Verb":"delete-tree","Key":""}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Value":"!"}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Value":"YQ="}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Value":"YQ==YQ=="}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Value":"Y\\nQ=="}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Flags":-1}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Flags":1.5}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Flags":"1"}}]',
  '[{"KV":{"Verb":"set","Key":5}}]',
  '[{"KV":{"verb":"set","KEY":"{prefix}x","value":null}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}x","Nope":1}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}\\ud800x"}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}\xffx"}}]',
  '[{"KV":{"Verb":"set","Key":"{prefix}\\q"}}]',
  '[{"KV":{"Verb":"set",}}]',
  '[{"KV":{"Verb":"set" "Key":1}}]',
  '[{"KV":tru}]',
  '[{"KV":{"Flags":01}}]',
  '[{"KV":{"Flags":-}}]',
  '[{"KV":"text"}]',
  "[1]"
)

const transaction = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(
      fc.array(operation(verb), { minLength: 1, maxLength: 6 }),
      query(oneOf("pretty", "dc=nyc1"))
    )
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.array(operation(readVerb), { minLength: 1, maxLength: 4 }), query(consistency))
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.array(operation(oneOf("set", "lock", "get-tree")), { minLength: 63, maxLength: 66 }),
      fc.constant("")
    )
  }
)

const txn = fc.oneof(
  {
    weight: 6,
    arbitrary: transaction.map(([operations, rest]) =>
      step("PUT", `/v1/txn${rest}`, ByteString.fromString(`[${operations.join(",")}]`))
    )
  },
  brokenTxn.map((body) => step("PUT", "/v1/txn", body))
)

// -----------------------------------------------------------------------------
// Sessions
// -----------------------------------------------------------------------------

const sessionBody = fc.oneof(
  {
    weight: 3,
    arbitrary: oneOf(
      '{"LockDelay":"0s"}',
      '{"LockDelay":0,"Behavior":"delete"}',
      '{"LockDelay":"0s","Checks":["service:web"]}'
    )
  },
  oneOf(
    "",
    "{}",
    "null",
    '{"TTL":"10s","Name":"x"}',
    '{"TTL":"9s"}',
    '{"TTL":"25h"}',
    '{"TTL":"x"}',
    '{"TTL":"0"}',
    '{"TTL":5}',
    '{"Behavior":"x"}',
    '{"LockDelay":"x"}',
    '{"LockDelay":"5"}',
    '{"LockDelay":7}',
    '{"LockDelay":"500ns"}',
    '{"LockDelay":"-1s"}',
    '{"LockDelay":true}',
    '{"Node":"none"}',
    '{"Node":""}',
    '{"Node":"NYC1-1"}',
    '{"Checks":[]}',
    '{"Checks":null}',
    '{"NodeChecks":[]}',
    '{"Checks":["serfHealth"],"NodeChecks":["serfHealth"]}',
    '{"Checks":["serfHealth","service:web"],"LockDelay":"0s"}',
    '{"NodeChecks":["service:web"],"LockDelay":"0s"}',
    '{"ServiceChecks":[{"ID":"service:web"}],"LockDelay":"0s"}',
    '{"Checks":["none"]}',
    '{"ServiceChecks":["none"]}',
    "[",
    "[]",
    "5"
  )
)

const sessions = fc.oneof(
  { weight: 4, arbitrary: sessionBody.map((body) => step("PUT", "/v1/session/create", body)) },
  fc
    .tuple(oneOf("destroy", "renew"), fc.oneof({ weight: 4, arbitrary: session }, wrongSession))
    .map(([verb, id]) => step("PUT", `/v1/session/${verb}/${id}`)),
  fc
    .tuple(
      fc.oneof(
        oneOf("list", "node/nyc1-1", "node/NYC1-1", "node/none", "node/"),
        fc.oneof(session, wrongSession).map((id) => `info/${id}`)
      ),
      query(consistency, oneOf("index={index -1}&wait=1m", "index={index}&wait=3ms"))
    )
    .map(([path, rest]) => step("GET", `/v1/session/${path}${rest}`))
)

// -----------------------------------------------------------------------------
// Services and health
// -----------------------------------------------------------------------------

const serviceBody = oneOf(
  '{"Name":"web","Check":{"TTL":"1h"}}',
  '{"Name":"web","Check":{"TTL":"1h","Status":"passing"}}',
  '{"Name":"web","Tags":["x","y"],"Port":80,"Address":"10.0.0.1","Meta":{"k":"v"},"Check":{"TTL":"1h"}}',
  '{"Name":"web","ID":"web2","Checks":[{"TTL":"1h","Status":"passing"},{"TTL":"1h","Name":"second","Notes":"n","Status":"warning"}]}',
  '{"Name":"db","Weights":{"Passing":3,"Warning":2},"EnableTagOverride":true}',
  '{"Name":"db","Address":"host.example"}',
  '{"Name":"web","Check":{"TTL":"x"}}',
  '{"Name":"web","Check":{"TTL":"-1s"}}',
  '{"Name":"web","Check":{}}',
  '{"Name":"web","Check":{"TTL":"1h","Status":"odd"}}',
  '{"Name":"web","Check":{"HTTP":"http://x"}}',
  '{"Name":"web","Nope":1}',
  '{"Name":5}',
  '{"Port":"x","Name":"web"}',
  "{}",
  "null",
  "[]",
  ""
)

const serviceId = oneOf("web", "web", "web2", "db", "none", "")

const checkId = oneOf(
  "service:web",
  "service:web",
  "service:web2:1",
  "service:web2:2",
  "nodecheck",
  "none",
  ""
)

const services = fc.oneof(
  { weight: 3, arbitrary: serviceBody.map((body) => step("PUT", "/v1/agent/service/register", body)) },
  serviceId.map((id) => step("PUT", `/v1/agent/service/deregister/${id}`)),
  {
    weight: 3,
    arbitrary: fc
      .tuple(oneOf("pass", "warn", "fail"), checkId, query(oneOf("note=n", "note=%26%3C")))
      .map(([verb, id, rest]) => step("PUT", `/v1/agent/check/${verb}/${id}${rest}`))
  },
  fc
    .tuple(
      checkId,
      oneOf('{"Status":"passing","Output":"o"}', '{"Status":"critical"}', '{"Status":"odd"}', "{}", "x", "")
    )
    .map(([id, body]) => step("PUT", `/v1/agent/check/update/${id}`, body)),
  oneOf(
    '{"Name":"nodecheck","TTL":"1h","Status":"passing"}',
    '{"Name":"other","ID":"nodecheck","TTL":"1h"}',
    '{"Name":"s","ServiceID":"web","TTL":"1h","Status":"warning"}',
    '{"Name":"s","ServiceID":"none","TTL":"1h"}',
    '{"TTL":"1h"}',
    '{"Name":"x"}',
    '{"Name":"x","TTL":"1h","Status":"odd"}'
  ).map((body) => step("PUT", "/v1/agent/check/register", body)),
  fc.oneof(checkId, fc.constant("s")).map((id) => step("PUT", `/v1/agent/check/deregister/${id}`))
)

const health = fc
  .tuple(
    oneOf(
      "agent/services",
      "agent/checks",
      "catalog/datacenters",
      "catalog/nodes",
      "catalog/services",
      "catalog/service/web",
      "catalog/service/WEB?tag=x",
      "catalog/service/consul",
      "catalog/service/none",
      "catalog/service/",
      "catalog/node/nyc1-1",
      "catalog/node/none",
      "catalog/node/",
      "health/service/web",
      "health/service/web?passing",
      "health/service/web?tag=y",
      "health/service/consul",
      "health/service/none",
      "health/service/",
      "health/checks/web",
      "health/checks/none",
      "health/checks/",
      "health/node/nyc1-1",
      "health/node/none",
      "health/node/",
      "health/state/any",
      "health/state/passing",
      "health/state/critical",
      "health/state/odd",
      "health/state/"
    ),
    query(consistency, oneOf("index={index -1}&wait=1m", "index={index}&wait=3ms"))
  )
  .map(([path, rest]) => step("GET", `/v1/${path}${path.includes("?") ? rest.replace("?", "&") : rest}`))

// -----------------------------------------------------------------------------
// The rest of the interface
// -----------------------------------------------------------------------------

const odd = fc
  .tuple(
    oneOf("POST", "PATCH", "OPTIONS", "GET", "PUT", "DELETE"),
    oneOf(
      "/",
      "/v1",
      "/v1/",
      "/nothing",
      "/v1/kv",
      "/v1/kv?recurse",
      "//v1/kv/{prefix}a",
      "/v1//kv/{prefix}a/",
      "/v1/txn/",
      "/v1/session",
      "/v1/session/create/",
      "/v1/session/info",
      "/v1/status/leader/",
      "/v1/agent/check/pass",
      "/v1/kv/{prefix}a?x=%zz",
      "/v1/kv/{prefix}a;b?flags=1;flags=2"
    )
  )
  // A session or a transaction of another test.
  .map(([method, target]) => step(method, target))

/** One request of any kind. */
export const any: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: read },
  { weight: 7, arbitrary: write },
  { weight: 3, arbitrary: remove },
  { weight: 8, arbitrary: txn },
  { weight: 5, arbitrary: sessions },
  { weight: 4, arbitrary: services },
  { weight: 4, arbitrary: health },
  { weight: 1, arbitrary: odd }
)
