import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as DeleteLimit from "../../src/DeleteLimit.js"
import * as EventLog from "../../src/internal/report/EventLog.js"
import * as EventText from "../../src/internal/report/EventText.js"
import type { Phase, ReplicationEvent, Subject } from "../../src/ReplicationEvent.js"
import * as Logs from "../../src/testing/Logs.js"
import type * as Events from "../support/Events.js"

const about = { at: 0, replication: { source: "nyc1", prefix: "global/", destinationPrefix: "copy/" } }
const lock = { at: 0, lock: "leader", service: "consul-replicate" }
const landed = { ...about, writes: 2, deletes: 1, bytes: 7, totalKeys: 9, index: 42, duration: 12.4 }
const lasting = { phase: "Began", lasted: 0 } as const
const holder = { node: "sfo1-a", pid: 7, since: 0, purpose: "this" }
const sent = { ...about, bytes: 9, duration: 12.4 }
const namedOnce = { ...about, keys: ["global/a"], isLast: false }

const held: Events.Event<"DeletesHeld"> = {
  _tag: "DeletesHeld",
  ...about,
  ...lasting,
  keys: new Set(["copy/a", "copy/b", "copy/c", "copy/d"]),
  totalKeys: 6,
  limit: DeleteLimit.defaultLimit
}

const refused: Events.Event<"WritesRefused"> = {
  _tag: "WritesRefused",
  ...about,
  ...lasting,
  refusals: ["a", "b", "c", "d"].map((key) => ({ key, cause: "KeyRefused", message: `no ${key}` }))
}

const done: Events.Event<"ComparisonDone"> = {
  _tag: "ComparisonDone",
  ...landed,
  inSync: true,
  drift: { changed: 1, missing: 1, extra: 1 }
}

/** By level and text. */
const lines: ReadonlyArray<readonly [event: ReplicationEvent, line: string]> = [
  [
    { _tag: "StandingBy", ...lock, reason: "Held", holder, purpose: "this" },
    "Info standing by: leader is held by pid 7 on sfo1-a since 1970-01-01T00:00:00.000Z"
  ],
  [
    { _tag: "StandingBy", ...lock, reason: "Held", holder, purpose: "that" },
    "Warning standing by: leader is held by pid 7 on sfo1-a since 1970-01-01T00:00:00.000Z for this, not for that: a lock " +
      "serves one replication; give this one a lock and a status of its own"
  ],
  [{ _tag: "StandingBy", ...lock, reason: "Held" }, "Info standing by: another instance holds leader"],
  [
    { _tag: "StandingBy", ...lock, reason: "LockDelay" },
    "Info standing by: another tool left a lock delay on leader, which is free"
  ],
  [
    { _tag: "StandingBy", ...lock, reason: "LedHere" },
    "Info standing by: this process leads by leader already; LeaderLock.shared lets several uses lead at the same time"
  ],
  [
    { _tag: "StandingBy", ...lock, reason: "UsedHere", key: "status" },
    "Info standing by: this process uses status already"
  ],
  [{ _tag: "Leading", ...lock, instance: "i-1", session: "s" }, "Info leading: i-1 holds leader"],
  [
    { _tag: "LockLost", ...lock, ...about, reason: "the key was deleted", wasHeld: true },
    "Warning lost the lock leader: the key was deleted"
  ],
  [
    { _tag: "LockLost", ...lock, ...about, reason: "the session ended", wasHeld: false },
    "Warning cannot stand by for the lock leader: the session ended"
  ],
  [{ _tag: "Resigned", ...lock, instance: "i-1" }, "Debug resigning: i-1 gives leader back"],
  [
    { _tag: "SessionTtlRaised", ...lock, agentless: true, ttl: 60_000, before: 30_000 },
    "Warning the servers let no session live for less than 1m (session_ttl_min): after a leader was killed, another one may " +
      "take up to 2m to follow, not 1m"
  ],
  [
    { _tag: "AgentsDiffer", at: 0, address: "balancer", nodes: ["a", "b"] },
    "Warning balancer answers as different nodes, a and b: the check of this instance belongs to one of them, and the others " +
      "refuse its heartbeats; if several servers stand behind the address, give agentless"
  ],
  [
    { _tag: "SessionTtlRaised", ...lock, agentless: false, ttl: 60_000, before: 30_000 },
    "Warning the servers let no session live for less than 1m (session_ttl_min): where an agent cannot report that its " +
      "leader has ended, another one may take up to 2m to follow, not 1m"
  ],
  [
    { _tag: "SessionLeftAlone", ...lock, ...about, session: "s", name: "deployment" },
    'Warning the status names the session s of "deployment", which is no instance of "consul-replicate" for the lock leader: ' +
      "it is left alone"
  ],
  [
    { _tag: "RequestFailed", at: 0, purpose: "heartbeat", cause: "Unreachable", message: "refused" },
    "Debug heartbeat: refused"
  ],
  [
    { _tag: "RequestFailed", at: 0, purpose: "leaving", cause: "Unreachable", message: "refused" },
    "Debug a request on leaving failed; what it was to end, Consul ends later: refused"
  ],
  [
    { _tag: "QueryBudgetChanged", at: 0, address: "agent", share: 0.5 },
    "Debug watches of the agent at agent have 50% of their queries"
  ],
  [
    { _tag: "WaitShortened", at: 0, source: "nyc1", limit: 20_000 },
    "Warning queries of the source nyc1 are ended after about 20s, by its servers or by something in between; they wait for " +
      "less from now on"
  ],
  [
    { _tag: "NameNotCarried", at: 0, address: "agent", datacenter: "nyc1", key: "a".repeat(200) },
    `Warning paths of the Consul agent at agent for nyc1 do not carry names such as "${"a".repeat(100)}…": such keys are read ` +
      "and written by transactions"
  ],
  [
    { _tag: "AgentAnswered", ...about, address: "agent", datacenter: "sfo1" },
    "Debug the agent at agent is in sfo1"
  ],
  [
    { _tag: "ComparisonBegan", ...about, isFirst: true, totalKeys: 1 },
    'Debug comparing nyc1 "global/" to "copy/": 1 key here'
  ],
  [
    { _tag: "FirstComparison", ...about, overwritten: ["copy/a"], deleted: ["copy/b", "copy/c"] },
    'Warning the first comparison of nyc1 "global/" to "copy/" overwrites 1 key here ("copy/a") and deletes 2 keys here ' +
      '("copy/b", "copy/c")'
  ],
  [
    { _tag: "FirstComparison", ...about, overwritten: [], deleted: ["copy/b"] },
    'Warning the first comparison of nyc1 "global/" to "copy/" deletes 1 key here ("copy/b")'
  ],
  [
    {
      _tag: "ComparisonProgressed",
      ...about,
      compared: 500,
      expectedKeys: 1_500,
      writes: 7,
      elapsed: 5_000
    },
    "Info comparing: 500 of 1500 keys, 7 written, 100 keys/s, about 10 s left"
  ],
  [
    done,
    'Info in sync: nyc1 "global/" to "copy/", 9 keys after 2 writes, 1 delete in 12 ms (index 42); found 1 changed, 1 ' +
      "missing, 1 extra"
  ],
  [
    { ...done, inSync: false },
    "Info replicated 2 writes, 1 delete in 12 ms (index 42); found 1 changed, 1 missing, 1 extra"
  ],
  [{ _tag: "Applied", ...landed, inSync: false }, "Info replicated 2 writes, 1 delete in 12 ms (index 42)"],
  [
    { _tag: "DriftFound", ...about, changed: ["copy/a"], missing: ["copy/b"], extra: [], repaired: true },
    'Info repaired drift: 1 changed, 1 missing, 0 extra ("copy/a", "copy/b")'
  ],
  [
    { _tag: "DriftFound", ...about, changed: [], missing: [], extra: ["copy/b"], repaired: false },
    'Info found drift: 0 changed, 0 missing, 1 extra ("copy/b")'
  ],
  [
    {
      _tag: "TransactionSent",
      ...sent,
      operations: [
        { kind: "check", key: "leader" },
        { kind: "write", key: "copy/\u202eb\n" },
        { kind: "delete", key: "copy/c" }
      ],
      outcome: "Landed"
    },
    'Debug transaction of 3 operations: wrote "copy/\u202eb\\n"; deleted "copy/c"; checked "leader"; landed after 12 ms'
  ],
  [
    {
      _tag: "LargeValueSent",
      ...sent,
      key: "copy/a",
      outcome: "Failed",
      cause: "Away",
      message: "no answer"
    },
    'Debug PUT of a large value: wrote "copy/a"; failed: no answer after 12 ms'
  ],
  [
    { _tag: "EventsLost", at: 0, count: 2 },
    "Warning 2 events came too fast for a subscriber, and are lost for it"
  ],
  [
    held,
    'Warning holding back the deletion of 4 of the 6 keys under "copy/" ("copy/a", "copy/b", "copy/c", …; ' +
      "maxDeletes=50%): nyc1 does not have them, or not for this token; if that is meant, delete them yourself, or restart " +
      "all instances with maxDeletes=4"
  ],
  [
    { ...held, limit: DeleteLimit.DeleteLimit.Count({ count: 4 }), phase: "Lasts", lasted: 61_000 },
    'Warning still: holding back the deletion of 4 of the 6 keys under "copy/" ("copy/a", "copy/b", "copy/c", …; ' +
      "maxDeletes=4): nyc1 does not have them, or not for this token; if that is meant, delete them yourself, or restart " +
      "all instances with maxDeletes=5 (for 1m 1s)"
  ],
  [{ _tag: "DeletesAllowed", ...about, lasted: 1 }, "Info recovered: no deletes are held back any more"],
  [
    refused,
    "Warning 4 keys did not land, all else does: no a, no b, no c, …; tried again when that changes at the source, and " +
      "every minute"
  ],
  [{ _tag: "WritesAccepted", ...about, lasted: 1 }, "Info recovered: no keys are refused any more"],
  [
    { _tag: "LocksNotCopied", ...namedOnce },
    'Warning 1 key at the source ("global/a") locked by a session: the value is copied, the lock is not'
  ],
  [
    { _tag: "KeysNotUtf8", ...namedOnce },
    `Warning 1 key at the source ("global/a") not valid UTF-8: Consul's HTTP interface cannot name it, so it is not copied`
  ],
  [
    { _tag: "KeysHidden", ...namedOnce, isLast: true },
    'Warning 1 key at the source ("global/a") left out of its answers: the token may not read them there; they stay as they ' +
      "are here; there are so many that no more are named"
  ],
  [
    { _tag: "SiblingsMatched", ...about, side: "source", prefix: "glob", keys: ["global/a"] },
    'Warning the prefix of nyc1 "glob" does not end with a slash: it matches 1 key whose name goes on after it ("global/a")'
  ],
  [
    { _tag: "SiblingsMatched", ...about, side: "destination", prefix: "co", keys: ["copy/a", "copy/b"] },
    'Warning the destination prefix "co" does not end with a slash: it matches 2 keys whose names go on after it ("copy/a", ' +
      '"copy/b")'
  ],
  [
    { _tag: "SourceEmpty", ...about, isReadable: true },
    'Warning nyc1 has no keys under "global/": nothing is copied until there are some; check the prefix'
  ],
  [
    { _tag: "SourceEmpty", ...about, isReadable: false },
    'Warning nyc1 has no keys under "global/", or none that the token may read: nothing is copied until there are some; ' +
      "check the prefix"
  ],
  [
    { _tag: "AnswersWrong", ...about, ...lasting, keys: 2 },
    "Warning nyc1 answered without 2 keys that a consistent read then found: they stay"
  ],
  [{ _tag: "AnswersRight", ...about, lasted: 1 }, "Info recovered: the answers of nyc1 hold again"],
  [
    { _tag: "SourceSilent", ...about, limit: 120_000 },
    "Warning nothing has been heard of nyc1 for 2m or longer"
  ],
  [{ _tag: "SourceHeard", ...about }, "Info recovered: nyc1 is heard again"]
]

/** Each subject, with the line that its trouble begins with and that of its end. */
const troubles: ReadonlyArray<readonly [subject: Subject, began: string, over: string]> = [
  [{ _tag: "Agent", address: "agent" }, "waiting for the agent: no", "the agent at agent can be used"],
  [
    { _tag: "Leadership", lock: "leader", service: "s" },
    "cannot stand for leadership: no",
    "this instance can stand for leadership"
  ],
  [
    { _tag: "Lock", lock: "leader", service: "s", action: "read" },
    "cannot read the lock leader: no",
    "the lock leader can be used"
  ],
  [
    { _tag: "Lock", lock: "leader", service: "s", action: "acquire" },
    "cannot acquire the lock leader: no",
    "the lock leader can be used"
  ],
  [
    { _tag: "Session", lock: "leader", service: "s" },
    "cannot renew the session of the lock: no",
    "the session of the lock is renewed"
  ],
  [{ _tag: "Source", source: "nyc1" }, "waiting for the source nyc1: no", "the source nyc1 can be read"],
  [
    { _tag: "Connections", address: "agent" },
    "watching with fewer queries: no",
    "the agent at agent has room for all queries that there may be"
  ],
  [
    { _tag: "Rate", requests: "writes" },
    "no: writes are sent again, and more slowly",
    "the destination does not limit the rate of writes any more"
  ],
  [
    { _tag: "StatusOwner", lock: "other" },
    "cannot read the lock other, whose holder wrote the status: no",
    "the lock other can be read"
  ],
  [{ _tag: "Replication" }, "replication is held up: no", "replication goes on"]
]

const text = (event: ReplicationEvent): string => {
  const line = EventText.lineOf(event)
  return line === undefined ? "" : `${line.level} ${line.text}`
}

const trouble = (subject: Subject, phase: Phase, lasted = 0): ReplicationEvent => ({
  _tag: "Trouble",
  at: 0,
  subject,
  cause: "Denied",
  message: "no",
  phase,
  lasted,
  failingFor: lasted
})

describe("the line of an event", () => {
  it.each(lines.map(([event, line]) => [event._tag, line, event] as const))(
    "%s is logged as: %s",
    (_, line, event) => {
      expect(text(event)).toBe(line)
    }
  )

  it.each(troubles)("trouble of %o begins with: %s", (subject, began) => {
    expect(text(trouble(subject, "Began"))).toBe(`Warning ${began}`)
  })

  it.each(troubles)("trouble of %o is over with the line: %3$s", (subject, _, over) => {
    expect(text({ _tag: "TroubleOver", at: 0, subject, lasted: 1 })).toBe(`Info recovered: ${over}`)
  })

  it("of trouble that lasts says how long it has lasted, and further attempts have none", () => {
    const subject = { _tag: "Replication" } as const
    expect(text(trouble(subject, "Lasts", 300_400))).toBe(
      "Warning still: replication is held up: no (for 5m)"
    )
    expect(text(trouble(subject, "Again"))).toBe("")
  })
})

const applied = (index: number, source = "nyc1"): ReplicationEvent => ({
  _tag: "Applied",
  at: 0,
  replication: { ...about.replication, source },
  writes: 1,
  deletes: 0,
  bytes: 1,
  totalKeys: index,
  index,
  duration: 5,
  inSync: false
})

const one = (index: number) => `INFO replicated 1 write, 0 deletes in 5 ms (index ${index})`

const make = Effect.gen(function* () {
  const logs = Logs.make()
  const scope = yield* Scope.make()
  const { consume } = yield* Scope.extend(EventLog.make({ progress: true }), scope).pipe(logs.capture)
  return {
    lines: logs.lines,
    log: (event: ReplicationEvent) => logs.capture(consume(event)),
    close: logs.capture(Scope.close(scope, Exit.void))
  }
})

describe("the log of passes", () => {
  it.effect("has the first change after quiet at once, then a line every ten seconds until it is quiet", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* make
      yield* log(applied(1))
      expect(lines).toEqual([one(1)])
      for (let index = 2; index <= 31; index++) {
        yield* TestClock.adjust("500 millis")
        yield* log(applied(index))
      }
      yield* TestClock.adjust("1 minute")
      expect(lines).toEqual([
        one(1),
        "INFO replicated 19 writes, 0 deletes in 19 passes, lag up to 5 ms (index 20)",
        "INFO replicated 11 writes, 0 deletes in 11 passes, lag up to 5 ms (index 31)"
      ])
      yield* log(applied(32))
      expect(lines.at(-1)).toBe(one(32))
    })
  )

  it.effect("counts each replication for itself", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* make
      yield* log(applied(1))
      yield* TestClock.adjust("5 seconds")
      yield* log(applied(2, "ams2"))
      yield* log(applied(3))
      yield* log(applied(4, "ams2"))
      yield* TestClock.adjust("1 minute")
      expect(lines).toEqual([
        one(1),
        one(2),
        "INFO replicated 1 write, 0 deletes in 1 pass, lag up to 5 ms (index 3)",
        "INFO replicated 1 write, 0 deletes in 1 pass, lag up to 5 ms (index 4)"
      ])
    })
  )

  it.scoped("has every pass at debug", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${message}`))
      const { consume } = yield* EventLog.make({ progress: true })
      yield* Effect.forEach([1, 2, 3], (index) => consume(applied(index))).pipe(
        Logger.withMinimumLogLevel(LogLevel.Debug),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      expect(lines).toEqual([one(1), one(2).replace("INFO", "DEBUG"), one(3).replace("INFO", "DEBUG")])
    })
  )

  it.effect("does not lose what is collected when replication stops", () =>
    Effect.gen(function* () {
      const { close, lines, log } = yield* make
      yield* log(applied(1))
      yield* log(applied(2))
      yield* close
      expect(lines).toEqual([
        one(1),
        "INFO replicated 1 write, 0 deletes in 1 pass, lag up to 5 ms (index 2)"
      ])
    })
  )

  it.effect(
    "has how far a comparison has come every five seconds, and nothing of one that is soon done",
    () =>
      Effect.gen(function* () {
        const { lines, log } = yield* make
        const progress = (elapsed: number) =>
          log({
            _tag: "ComparisonProgressed",
            ...about,
            compared: elapsed,
            expectedKeys: 20_000,
            writes: 0,
            elapsed
          })
        for (let elapsed = 500; elapsed < 12_000; elapsed += 500) yield* progress(elapsed)
        yield* log({ ...done, inSync: false })
        yield* progress(4_000)
        expect(lines.map((line) => line.slice(0, 30))).toEqual([
          "INFO comparing: 5000 of 20000 ",
          "INFO comparing: 10000 of 20000",
          "INFO replicated 2 writes, 1 de"
        ])
      })
  )
})
