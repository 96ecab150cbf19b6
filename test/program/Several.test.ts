import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describeConsul } from "../support/consul/DescribeConsul.js"
import { SharedDatacenters } from "../support/consul/SharedDatacenters.js"
import * as Store from "../support/consul/Store.js"
import * as Program from "./Program.js"

/** What a file says of the lock, the service and the statuses of the program with this name. */
const own = (name: string) =>
  `lock = "service/${name}/leader"\nservice = "${name}"\nstatus_dir = "service/${name}/statuses"\n`

const prefixes = (...names: ReadonlyArray<string>) =>
  names.map((name) => `prefix { source = "${name}/" datacenter = "nyc1" }\n`).join("")

describeConsul("several prefixes in one program", () => {
  layer(Layer.merge(SharedDatacenters.layer, NodeContext.layer))((it) => {
    const world = Effect.gen(function* () {
      const { nyc1, sfo1 } = yield* SharedDatacenters
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped()
      const path = `${folder}/replicate.hcl`
      return {
        address: sfo1.address,
        source: Store.at(nyc1.address),
        destination: Store.at(sfo1.address),
        path,
        write: (text: string) => files.writeFileString(path, text)
      }
    })

    it.scoped(
      "are replicated side by side, and a reload starts, ends and keeps them under one leadership",
      () =>
        Effect.gen(function* () {
          const { address, destination, path, source, write } = yield* world
          for (const name of ["stays", "goes", "comes"]) yield* source.put({ key: `${name}/a`, value: "1" })
          yield* write(own("several") + prefixes("stays", "goes"))
          const program = yield* Program.start([`-config=${path}`, `-addr=${address}`])
          yield* Store.converge(source, destination, "stays/")
          yield* Store.converge(source, destination, "goes/")

          yield* write(own("several") + prefixes("stays", "comes"))
          yield* program.signal("SIGHUP")
          yield* program.says(
            /SIGHUP: reloaded; replications: 1 started \(nyc1 "comes\/" to "comes\/"\), 1 ended \(nyc1 "goes\/" to "goes\/"\), 1 go on as before \(nyc1 "stays\/" to "stays\/"\)$/
          )
          yield* Store.converge(source, destination, "comes/")

          yield* write(`${own("several")}prefix {`)
          yield* program.signal("SIGHUP")
          yield* program.says(
            /ERROR .*SIGHUP: refused, and the replications go on as before: .*replicate\.hcl:4/
          )
          yield* write(`${own("several")}prefix = "itself/@sfo1"\n`)
          yield* program.signal("SIGHUP")
          yield* program.says(
            /ERROR .*replicate\.hcl:4: prefix: the agent is in sfo1 itself, .*; name another datacenter, or another destination$/
          )
          yield* write(`src = "nyc1"\n${own("several")}`)
          yield* program.signal("SIGHUP")
          yield* program.says(/ERROR .*SIGHUP: refused, .*: no prefix is named any more/)
          yield* source.put({ key: "stays/a", value: "2" }, { key: "goes/a", value: "2" })
          yield* Store.converge(source, destination, "stays/")
          expect(yield* destination.value("goes/a")).toBe("1")

          const log = yield* program.log
          expect(log.filter((line) => /INFO +leading: /.test(line))).toHaveLength(1)
          yield* program.signal("SIGTERM")
          expect(yield* program.exit).toEqual(Option.some(0))
        })
    )

    it.scoped(
      "begin anew in the same process at a reload that changes the lock: the former lock is given back",
      () =>
        Effect.gen(function* () {
          const { address, destination, path, source, write } = yield* world
          yield* source.put({ key: "relocked/a", value: "1" })
          yield* write(own("former") + prefixes("relocked"))
          const program = yield* Program.start([`-config=${path}`, `-addr=${address}`])
          yield* Store.converge(source, destination, "relocked/")
          /** What a leader writes to its lock when it gives it back. */
          const isGivenBack = (lock: string) =>
            Effect.map(destination.value(lock), (value) => value?.includes('"until":') === true)
          expect(yield* isGivenBack("service/former/leader")).toBe(false)

          yield* write(own("latter") + prefixes("relocked"))
          yield* program.signal("SIGHUP")
          yield* program.says(
            /SIGHUP: reloaded; all begins anew, with .*replicate\.hcl:1: lock, .*replicate\.hcl:2: service$/
          )
          yield* program.says(/INFO +leading: latter-\S+ holds service\/latter\/leader$/)
          expect(yield* isGivenBack("service/former/leader")).toBe(true)
          yield* source.put({ key: "relocked/a", value: "2" })
          yield* Store.converge(source, destination, "relocked/")

          yield* write(`${own("latter")}agentless = true\n${prefixes("relocked", "relocked-too")}`)
          yield* program.signal("SIGHUP")
          yield* program.says(/all begins anew, with .*replicate\.hcl:4: agentless$/)
          yield* source.put({ key: "relocked-too/a", value: "1" })
          yield* Store.converge(source, destination, "relocked-too/")
          yield* program.signal("SIGTERM")
          expect(yield* program.exit).toEqual(Option.some(0))
          expect(yield* isGivenBack("service/latter/leader")).toBe(true)
        })
    )

    it.scoped(
      "log at another level from a reload that changes it, go on as before, and warn of what has no use",
      () =>
        Effect.gen(function* () {
          const { address, destination, path, source, write } = yield* world
          const settings = own("levels") + prefixes("levels")
          yield* source.put({ key: "levels/a", value: "1" })
          yield* write(settings)
          const program = yield* Program.start([`-config=${path}`, `-addr=${address}`])
          yield* Store.converge(source, destination, "levels/")
          expect((yield* program.log).filter((line) => line.includes(" DEBUG "))).toEqual([])

          yield* write(`${settings}log_level = "debug"\n`)
          yield* program.signal("SIGHUP")
          yield* program.says(/SIGHUP: reloaded; replications: 0 started, 0 ended, 1 go on as before \(.*\)$/)
          yield* source.put({ key: "levels/a", value: "2" })
          yield* program.says(/ DEBUG +transaction of 3 operations: .*"levels\/a"/)

          yield* write(`${settings}${prefixes("levels-too")}max_stale = "10m"\n`)
          yield* program.signal("SIGHUP")
          yield* program.says(
            /SIGHUP: reloaded; replications: 1 started \(nyc1 "levels-too\/" .*\), 0 ended, 1 go on as before \(nyc1 "levels\/" .*\)$/
          )
          yield* program.says(/WARN .*max_stale has no use here/)
          const before = (yield* program.log).length
          yield* source.put({ key: "levels/a", value: "3" })
          yield* Store.converge(source, destination, "levels/")
          yield* program.signal("SIGTERM")
          expect(yield* program.exit).toEqual(Option.some(0))
          expect((yield* program.log).slice(before).filter((line) => line.includes(" DEBUG "))).toEqual([])
        })
    )

    it.scoped("go on undisturbed at a reload if their token is in a file, wherever their lines stand", () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const { address, destination, path, source, write } = yield* world
        const token = `${path}.token`
        yield* files.writeFileString(token, "5ecret")
        yield* source.put({ key: "filed/a", value: "1" })
        const settings = `${own("filed")}src_consul { token_file = "${token}" }\n${prefixes("filed")}`
        yield* write(settings)
        const program = yield* Program.start([`-config=${path}`, `-addr=${address}`])
        yield* Store.converge(source, destination, "filed/")
        yield* write(`# one more line\n${settings}`)
        yield* program.signal("SIGHUP")
        yield* program.says(/SIGHUP: reloaded; replications: 0 started, 0 ended, 1 go on as before \(.*\)$/)
        yield* write(`${settings}pid_file = "${path}.pid"\n`)
        yield* program.signal("SIGHUP")
        yield* program.says(/ERROR .*replicate\.hcl:6: pid_file: restart the program to change this$/)
      })
    )

    it.scoped("do not wait for each other: one that cannot be read fails alone, and is named", () =>
      Effect.gen(function* () {
        const { address, destination, source } = yield* world
        yield* source.put({ key: "fine/a", value: "1" })
        const { code, stderr } = yield* Program.run([
          "-once",
          "-timeout=2s",
          `-addr=${address}`,
          "-lock=service/fine/leader",
          "-service=fine",
          "-status-dir=service/fine/statuses",
          "-prefix=fine/@nyc1",
          "-prefix=lost/@ams9"
        ])
        expect(code).toBe(1)
        expect(stderr).toMatch(
          /1 of 2 replications failed: ams9 "lost\/" to "lost\/": the agent at \S+ knows no datacenter "ams9"; /
        )
        yield* Store.converge(source, destination, "fine/")
      })
    )

    it.scoped("are refused where a prefix is named if it would be copied onto itself", () =>
      Effect.gen(function* () {
        const { address } = yield* world
        const { code, stderr } = yield* Program.run([
          "-once",
          `-addr=${address}`,
          "-lock=service/onto-itself/leader",
          "-service=onto-itself",
          "-status-dir=service/onto-itself/statuses",
          "-prefix=onto/@nyc1",
          "-prefix=itself/@sfo1"
        ])
        expect(code).toBe(2)
        expect(stderr).toMatch(
          /consul-replicate: -prefix: the agent is in sfo1 itself, .*; name another datacenter, or another destination$/m
        )
      })
    )
  })
})
