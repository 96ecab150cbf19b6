import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as LastingCertificate from "../support/LastingCertificate.js"
import * as Program from "./Program.js"

/** The example file of 0.4.0's documentation, with paths in a folder and an address at which no agent listens. */
const example = (folder: string) => `
# This denotes the start of the configuration section for Consul. All values
# contained in this section pertain to Consul.
consul {
  auth {
    enabled  = true
    username = "test"
    password = "passw0rd"
  }

  address = "127.0.0.1:1"
  token = "abcd1234"

  retry {
    enabled = true
    # This specifies the number of attempts to make before giving up.
    attempts = 12
    backoff = "250ms"
    max_backoff = "1m"
  }

  transport {
    dial_keep_alive = "10s"
    dial_timeout = "10s"
    disable_keep_alives = false
    idle_conn_timeout = "5s"
    max_idle_conns = 0
    max_idle_conns_per_host = 100
    tls_handshake_timeout = "10s"
  }

  ssl {
    enabled = true
    # Disabling verification is for testing only.
    verify = false
    cert = "${folder}/cert.pem"
    key = "${folder}/key.pem"
    ca_cert = "${folder}/cert.pem"
    ca_path = "${folder}/authorities/"
    server_name = "my-server.com"
  }
}

exclude {
  source = "my-key"
}

prefix {
  source      = "global"
  datacenter  = "nyc1"
  destination = "default"
}

reload_signal = "SIGHUP"
kill_signal = "SIGINT"
max_stale = "10m"
log_level = "warn"
pid_file = "${folder}/consul-replicate.pid"
status_dir = "service/consul-replicate/statuses"

wait {
  min = "5s"
  max = "10s"
}

syslog {
  enabled  = true
  facility = "LOCAL5"
}
`

describe("the example file of 0.4.0's documentation", () => {
  it.scoped("starts the program as it is, and one warning names each setting that has no use", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped()
      const write = (name: string, text: string) => files.writeFileString(`${folder}/${name}`, text)
      yield* files.makeDirectory(`${folder}/authorities`)
      yield* write("authorities/one.pem", LastingCertificate.certificate)
      yield* write("cert.pem", LastingCertificate.certificate)
      yield* write("key.pem", LastingCertificate.key)
      yield* write("logger", "#!/bin/sh\nexec cat > /dev/null\n")
      yield* files.chmod(`${folder}/logger`, 0o755)
      yield* write("replicate.hcl", example(folder))
      const env = { PATH: `${folder}:${yield* Config.string("PATH")}` }
      const program = yield* Program.start([`-config=${folder}/replicate.hcl`], env)
      yield* program.says(/WARN .*waiting for the agent: no answer .* at https:\/\/127\.0\.0\.1:1: /)
      expect(yield* files.readFileString(`${folder}/consul-replicate.pid`)).toBe(String(program.pid))
      yield* program.signal("SIGINT")
      expect(yield* program.exit).toEqual(Option.some(0))
      expect(yield* files.exists(`${folder}/consul-replicate.pid`)).toBe(false)
      const log = yield* program.log
      expect(log.filter((line) => line.includes("has no use here"))).toHaveLength(8)
      expect(log.filter((line) => line.includes(" ERROR "))).toEqual([])
      expect(log.join("\n")).not.toMatch(/abcd1234|passw0rd/)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
