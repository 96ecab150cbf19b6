import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as ReplicationConflict from "../../src/internal/plan/ReplicationConflict.js"

interface Subject {
  readonly source: string
  readonly sourceAgent: Record<string, never>
  readonly prefix: string
  readonly destinationPrefix: string
  readonly status: string
  readonly exclude: ReadonlyArray<string>
}

const subject = (
  prefix: string,
  destinationPrefix: string,
  status = `status/${prefix}`,
  ...exclude: ReadonlyArray<string>
): Subject => ({ source: "nyc1", sourceAgent: {}, prefix, destinationPrefix, status, exclude })

const found = (...subjects: ReadonlyArray<Subject>) =>
  Option.getOrUndefined(ReplicationConflict.find(subjects))

const isLocal = ({ source }: Subject) => source === "sfo1"

const local = (prefix: string, destinationPrefix: string, ...exclude: ReadonlyArray<string>): Subject => ({
  ...subject(prefix, destinationPrefix, `status/${prefix}`, ...exclude),
  source: "sfo1"
})

const circle = (...subjects: ReadonlyArray<Subject>) =>
  Option.getOrUndefined(ReplicationConflict.findCircle(subjects, isLocal))

/** So few and so short that every key can be tried. */
const front = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 3 })
const excludes = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), {
  maxLength: 2
})

const subjects = fc
  .tuple(front, front, front, excludes)
  .map(([prefix, destinationPrefix, status, exclude]) =>
    subject(prefix, destinationPrefix, status, ...exclude)
  )

/** Every front that two ranges can share, and below it a key that no exclude is the front of. */
const fronts = Array.from({ length: 4 }).reduce<ReadonlyArray<string>>(
  (all) => ["", ...all.flatMap((name) => [`${name}a`, `${name}b`])],
  [""]
)
const keys = [...new Set(fronts.flatMap((front) => [front, `${front}c`]))].filter((name) => name !== "")

/** Whether a replication may write or delete a key of the destination. */
const writes = ({ destinationPrefix, exclude, prefix, status }: Subject, key: string): boolean => {
  if (!key.startsWith(destinationPrefix) || key === status) return false
  const original = prefix + key.slice(destinationPrefix.length)
  return !exclude.some((one) => original.startsWith(one))
}

describe("replications of one destination", () => {
  it("cannot have the same status, and the error names both", () => {
    expect(found(subject("a/", "a/", "status"), subject("b/", "b/", "status"))).toMatchObject({
      reason: "SameStatus",
      message:
        'the replications nyc1 "a/" to "a/" and nyc1 "b/" to "b/" have the same status key "status"; give each a status of its own'
    })
  })

  it("cannot have destinations of which one is the front of the other", () => {
    expect(found(subject("a/", "x/"), subject("b/", "y/"), subject("c/", "x/sub/"))).toMatchObject({
      reason: "DestinationsOverlap",
      key: "x/sub/",
      message: expect.stringContaining('nyc1 "a/" to "x/" and nyc1 "c/" to "x/sub/" would both write')
    })
  })

  it("can, if one excludes what the other writes", () => {
    expect(found(subject("a/", "x/", "s/1", "a/sub/"), subject("c/", "x/sub/", "s/2"))).toBeUndefined()
    expect(found(subject("a/", "x/", "s/1", "a/su"), subject("c/", "x/sub/", "s/2"))).toBeUndefined()
    expect(found(subject("a/", "x/", "s/1", "a/sub/1"), subject("c/", "x/sub/", "s/2"))).toMatchObject({
      reason: "DestinationsOverlap"
    })
  })

  it("cannot hold the status of another, but may hold their own and the lock of all", () => {
    expect(found(subject("a/", "service/", "service/a"), subject("b/", "b/", "service/b"))).toMatchObject({
      reason: "StatusInDestination",
      key: "service/b",
      message: expect.stringContaining(
        'nyc1 "a/" to "service/" would overwrite or delete "service/b", the status of nyc1 "b/" to "b/"'
      )
    })
    expect(found(subject("a/", "service/", "service/a"), subject("b/", "b/", "elsewhere"))).toBeUndefined()
  })

  it.prop(
    "conflict exactly where a key, or the status of one, would be written by both",
    [subjects, subjects],
    ([a, b]) => {
      const conflict = found(a, b)
      // A key beyond the statuses themselves, which no replication shares.
      const isShared = keys.some(
        (key) => key !== a.status && key !== b.status && writes(a, key) && writes(b, key)
      )
      const isOverwritten = writes(a, b.status) || writes(b, a.status)
      expect(conflict !== undefined).toBe(a.status === b.status || isShared || isOverwritten)
      expect(found(b, a)?.reason).toBe(conflict?.reason)
    },
    { fastCheck: { numRuns: 500 } }
  )
})

describe("replications within one cluster", () => {
  it("cannot copy in a circle, and the error names all of it", () => {
    expect(
      circle(local("x/", "y/"), local("a/", "b/"), local("c/", "a/"), local("b/1/", "c/"))
    ).toMatchObject({
      reason: "Circle",
      routes: ['sfo1 "a/" to "b/"', 'sfo1 "b/1/" to "c/"', 'sfo1 "c/" to "a/"']
    })
  })

  it("can copy one after another, and what comes from another cluster is in no circle", () => {
    expect(circle(local("a/", "b/"), local("b/", "c/"), local("c/", "d/"))).toBeUndefined()
    expect(circle(local("a/", "b/"), subject("b/", "a/"))).toBeUndefined()
  })

  it("can, if one of the circle excludes what the one before it has written", () => {
    expect(circle(local("a/", "b/"), local("b/", "a/"))).toMatchObject({ reason: "Circle" })
    expect(circle(local("a/", "b/x/"), local("b/", "a/", "b/x/"))).toBeUndefined()
    expect(circle(local("a/", "b/", "a/"), local("b/", "a/"))).toBeUndefined()
  })

  it.prop(
    "copy in a circle exactly where a key can come back to the replication that has copied it",
    [fc.array(subjects, { maxLength: 4 })],
    ([all]) => {
      const locals = all.map((one): Subject => ({ ...one, source: "sfo1" }))
      const reads = ({ exclude, prefix }: Subject, key: string) =>
        key.startsWith(prefix) && !exclude.some((one) => key.startsWith(one))
      const writesAny = ({ destinationPrefix, exclude, prefix }: Subject, key: string) =>
        key.startsWith(destinationPrefix) &&
        !exclude.some((one) => (prefix + key.slice(destinationPrefix.length)).startsWith(one))
      const feeds = (a: Subject, b: Subject) =>
        a !== b && keys.some((key) => writesAny(a, key) && reads(b, key))
      const reaches = (from: Subject, to: Subject, passed: ReadonlyArray<Subject>): boolean =>
        locals.some(
          (next) =>
            !passed.includes(next) &&
            feeds(from, next) &&
            (next === to || reaches(next, to, [...passed, next]))
        )
      const isCircle = locals.some((one) =>
        locals.some((next) => feeds(one, next) && reaches(next, one, [next]))
      )
      expect(circle(...locals) !== undefined).toBe(isCircle)
    },
    { fastCheck: { numRuns: 200 } }
  )
})
