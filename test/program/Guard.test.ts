import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import { SharedDatacenters } from "../support/consul/SharedDatacenters.js"
import * as Store from "../support/consul/Store.js"
import * as Program from "./Program.js"

const deletesHeld = /holding back the deletion/

const lines = (program: Program.Program, pattern: RegExp) =>
  Effect.map(program.log, (log) => log.filter((line) => pattern.test(line)))

/** Keys `0`, `1`, … under the prefix of a name. */
const entries = (name: string, count: number, value = "1") =>
  Array.from({ length: count }, (_, i) => ({ key: `${name}/${i}`, value }))

const areEqual = (source: Store.Store, destination: Store.Store, prefix: string) =>
  Effect.map(
    Effect.all([source.entries(prefix), destination.entries(prefix)]),
    ([wanted, there]) => wanted.join() === there.join()
  )

const wipe = (store: Store.Store, name: string) => store.request("DELETE", `/v1/kv/${name}/?recurse`)

/** Status and output of a service's checks, as health shows them. */
const checks = (store: Store.Store, name: string) =>
  Effect.map(store.request("GET", `/v1/health/checks/${name}`), ({ text }) =>
    (JSON.parse(text) as ReadonlyArray<{ readonly Status: string; readonly Output: string }>).map(
      ({ Output, Status }) => `${Status}: ${Output}`
    )
  )

const stored = (store: Store.Store, name: string) =>
  Effect.map(
    store.value(`service/${name}/status`),
    (text) => JSON.parse(text ?? "{}") as Readonly<Record<string, unknown>>
  )

const sessions = (store: Store.Store, name: string) =>
  Effect.map(store.request("GET", "/v1/session/list"), ({ text }) =>
    (JSON.parse(text) as ReadonlyArray<{ readonly ID: string; readonly Name: string }>)
      .filter((session) => session.Name.startsWith(`${name} for `))
      .map(({ ID }) => ID)
  )

describeConsul(
  "what guards a copy",
  () => {
    layer(Layer.merge(SharedDatacenters.layer, NodeContext.layer))((it) => {
      /** Both stores, and the arguments of a program whose keys and service have this name. */
      const world = (name: string) =>
        Effect.map(SharedDatacenters, ({ nyc1, sfo1 }) => ({
          source: Store.at(nyc1.address),
          destination: Store.at(sfo1.address),
          args: [
            "-src=nyc1",
            `-addr=${sfo1.address}`,
            `-prefix=${name}/`,
            `-lock=service/${name}/leader`,
            `-status=service/${name}/status`,
            `-service=${name}`
          ]
        }))

      it.scoped("-once copies, exits with 0, and leaves no session and no service in Consul", () =>
        Effect.gen(function* () {
          const { args, destination, source } = yield* world("once")
          yield* source.put(...entries("once", 100))
          yield* destination.put({ key: "once/stranger", value: "goes" })
          const { code, stderr } = yield* Program.run([...args, "-once"])
          expect(code).toBe(0)
          expect(stderr).toMatch(/in sync: nyc1 "once\/" to "once\/", 100 keys after 100 writes, 1 delete/)
          expect(yield* areEqual(source, destination, "once/")).toBe(true)
          expect(yield* sessions(destination, "once")).toEqual([])
          expect(yield* checks(destination, "once")).toEqual([])
          const again = yield* Program.run([...args, "-once"])
          expect(again.code).toBe(0)
          expect(again.stderr).toMatch(/100 keys after 0 writes, 0 deletes/)
        })
      )

      it.scoped("an empty -dst-prefix is the same as -prefix, not the whole store", () =>
        Effect.gen(function* () {
          const { args, destination, source } = yield* world("unset")
          yield* source.put({ key: "unset/a", value: "1" })
          yield* destination.put({ key: "beside-unset", value: "stays" })
          const { code, stderr } = yield* Program.run([...args, "-dst-prefix=", "-once"])
          expect(code).toBe(0)
          expect(stderr).toContain('in sync: nyc1 "unset/" to "unset/"')
          expect(yield* areEqual(source, destination, "unset/")).toBe(true)
          expect(yield* destination.value("a")).toBeUndefined()
          expect(yield* destination.value("beside-unset")).toBe("stays")
        })
      )

      it.scoped("-once exits with 1 and says why where deletes are held back; all else is copied", () =>
        Effect.gen(function* () {
          const { args, destination, source } = yield* world("fuller")
          yield* source.put({ key: "fuller/new", value: "1" })
          yield* destination.put(...entries("fuller", 30, "theirs"))
          const { code, stderr } = yield* Program.run([...args, "-once"])
          expect(code).toBe(1)
          expect(stderr.trim().split("\n").at(-1)).toMatch(/^consul-replicate: .*30 .*-max-deletes=50%/)
          expect(yield* destination.keys("fuller/")).toHaveLength(31)
          expect(yield* stored(destination, "fuller")).toMatchObject({
            State: "stopped",
            LastState: "deletes-held",
            HeldDeletes: 30,
            LastReplicated: 0
          })
          expect((yield* Program.run([...args, "-once", "-max-deletes=29"])).code).toBe(1)
          expect((yield* Program.run([...args, "-once", "-max-deletes=30"])).code).toBe(0)
          expect(yield* destination.keys("fuller/")).toEqual(["fuller/new"])
        })
      )

      it.scoped("-no-delete adds and changes keys, deletes none, and that is no failure", () =>
        Effect.gen(function* () {
          const { args, destination, source } = yield* world("kept")
          yield* source.put({ key: "kept/3", value: "failed" }, { key: "kept/4", value: "online" })
          yield* destination.put({ key: "kept/1", value: "theirs" }, { key: "kept/3", value: "online" })
          const { code, stderr } = yield* Program.run([...args, "-once", "-no-delete"])
          expect(code).toBe(0)
          // A first comparison overwrites what somebody else wrote there.
          expect(stderr.split("\n").filter((line) => line.includes("WARN"))).toEqual([
            expect.stringMatching(/the first comparison of .* overwrites 1 key here \("kept\/3"\)$/)
          ])
          expect(yield* destination.keys("kept/")).toEqual(["kept/1", "kept/3", "kept/4"])
          expect(yield* destination.value("kept/1")).toBe("theirs")
          expect(yield* destination.value("kept/3")).toBe("failed")
        })
      )

      it.scoped(
        "a wiped source does not wipe the copy: one warning, the check warns, the lock stays, writes go on",
        () =>
          Effect.gen(function* () {
            const { args, destination, source } = yield* world("wiped")
            yield* source.put(...entries("wiped", 200))
            const program = yield* Program.start(args)
            yield* Store.converge(source, destination, "wiped/")
            yield* Store.eventually(
              checks(destination, "wiped"),
              ([check]) => check?.startsWith("passing") === true
            )
            const session = yield* sessions(destination, "wiped")

            yield* wipe(source, "wiped")
            yield* program.says(deletesHeld)
            yield* Store.eventually(
              checks(destination, "wiped"),
              ([check]) => check?.startsWith("warning") === true
            )
            // Twice the check's time to live.
            yield* Program.live(Effect.sleep("6 seconds"))
            expect(yield* destination.keys("wiped/")).toHaveLength(200)
            expect(yield* checks(destination, "wiped")).toEqual([
              expect.stringMatching(
                /^warning: leading: holding back the deletion of 200 of the 200 keys under "wiped\/"/
              )
            ])
            expect(yield* sessions(destination, "wiped")).toEqual(session)
            expect(yield* lines(program, /leading/)).toHaveLength(1)

            yield* source.put({ key: "wiped/new", value: "2" })
            yield* Store.eventually(destination.value("wiped/new"), (value) => value === "2")
            expect(yield* destination.keys("wiped/")).toHaveLength(201)
            expect(yield* lines(program, deletesHeld)).toHaveLength(1)

            yield* source.put(...entries("wiped", 150, "again"))
            yield* Store.eventually(destination.value("wiped/149"), (value) => value === "again")
            expect(yield* destination.keys("wiped/")).toHaveLength(201)
            yield* source.put(...entries("wiped", 200, "again"))
            yield* Store.converge(source, destination, "wiped/")
            yield* program.says(/no deletes are held back any more/)
            yield* Store.eventually(
              checks(destination, "wiped"),
              ([check]) => check?.startsWith("passing") === true
            )
          })
      )

      it.scoped("a source that was meant to be emptied is followed with -max-deletes=100%", () =>
        Effect.gen(function* () {
          const { args, destination, source } = yield* world("emptied")
          yield* source.put(...entries("emptied", 200))
          const program = yield* Program.start(args)
          yield* Store.converge(source, destination, "emptied/")
          yield* wipe(source, "emptied")
          yield* program.says(deletesHeld)
          yield* program.signal("SIGTERM")
          expect(yield* program.exit).toEqual(Option.some(0))
          yield* Program.start([...args, "-max-deletes=100%"])
          yield* Store.eventually(destination.keys("emptied/"), (keys) => keys.length === 0)
        })
      )

      it.scoped(
        "-reconcile: what others change, delete and add under the prefix is put right, and counted",
        () =>
          Effect.gen(function* () {
            const { args, destination, source } = yield* world("drift")
            yield* source.put(...entries("drift", 20))
            const program = yield* Program.start([...args, "-reconcile=1s"])
            yield* program.says(/in sync/)
            // All at once, or a look may come between.
            yield* destination.request(
              "PUT",
              "/v1/txn",
              JSON.stringify([
                { KV: { Verb: "set", Key: "drift/0", Value: "" } },
                { KV: { Verb: "set", Key: "drift/stranger", Value: "" } },
                { KV: { Verb: "delete", Key: "drift/1" } },
                { KV: { Verb: "delete", Key: "drift/2" } }
              ])
            )
            yield* program.says(/repaired drift: 1 changed, 2 missing, 1 extra/)
            expect(yield* areEqual(source, destination, "drift/")).toBe(true)
          })
      )

      it.scoped("a status that says all was copied is not believed: what is missing is copied again", () =>
        Effect.gen(function* () {
          const { args, destination, source } = yield* world("believed")
          yield* source.put(...entries("believed", 50))
          expect((yield* Program.run([...args, "-once"])).code).toBe(0)
          const { LastReplicated, LastState, State } = yield* stored(destination, "believed")
          expect([State, LastState]).toEqual(["stopped", "in-sync"])
          yield* wipe(destination, "believed")
          expect(yield* stored(destination, "believed")).toMatchObject({ LastReplicated })
          expect((yield* Program.run([...args, "-once"])).code).toBe(0)
          expect(yield* areEqual(source, destination, "believed/")).toBe(true)
          expect(yield* destination.keys("believed/")).toHaveLength(50)
        })
      )
    })
  },
  { concurrent: true }
)
