// Prints the path of a Consul binary for tests, benches and the demo. It is, in this order: $CONSUL_BINARY, the one
// in .cache, one from a Debian package in ../shared/consul, one from Debian 11, the last Debian that has Consul.
// Needs neither root nor a change to the machine's packages.

import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..")
const cache = join(root, ".cache")
const cached = join(cache, "consul/usr/bin/consul")

const run = (command, args, options = {}) =>
  execFileSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 90_000,
    killSignal: "SIGKILL",
    // What apt says is parsed below.
    env: { ...process.env, LC_ALL: "C" },
    ...options
  })

const packageIn = (folder) => {
  const name = existsSync(folder) && readdirSync(folder).find((name) => name.endsWith(".deb"))
  if (!name) throw new Error(`no package in ${folder}`)
  return join(folder, name)
}

const fromDisk = () => packageIn(resolve(root, "../shared/consul"))

/** apt with state, cache and sources of its own, but with the machine's mirror, proxy and keys. */
const fromDebian = (folder) => {
  for (const path of ["state/lists/partial", "cache/archives/partial"]) {
    mkdirSync(join(folder, path), { recursive: true })
  }
  const settings = join(folder, "apt.conf")
  writeFileSync(
    settings,
    [
      "#clear APT::Update;", // the machine's hooks after an update, which work on the machine's own state
      'APT::Update::Error-Mode "any";',
      `Dir::State "${folder}/state";`,
      `Dir::Cache "${folder}/cache";`,
      'Acquire::Languages "none";',
      'Acquire::Retries "1";',
      'Acquire::http::Timeout "15";',
      'Acquire::https::Timeout "15";'
    ].join("\n")
  )
  const apt = (...args) => run("apt-get", ["-c", settings, ...args], { cwd: folder })

  const mirror = /^'(.+)\/dists\/[^/']+\/InRelease'/m.exec(apt("update", "--print-uris"))?.[1]
  if (!mirror) throw new Error("apt has no Debian mirror")
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
  const signedBy = existsSync(keyring) ? ` [signed-by=${keyring}]` : ""
  const sources = join(folder, "sources.list")
  writeFileSync(sources, `deb${signedBy} ${mirror} bullseye main\n`)
  const bullseye = ["-o", `Dir::Etc::SourceList=${sources}`, "-o", "Dir::Etc::SourceParts=/dev/null"]
  apt(...bullseye, "update")
  apt(...bullseye, "download", "consul")
  return packageIn(folder)
}

/** The binary takes its place by a rename, so that a run beside this one sees all of it or nothing. */
const install = (obtain) => {
  mkdirSync(dirname(cached), { recursive: true })
  const folder = mkdtempSync(join(cache, "fetch-"))
  try {
    run("dpkg", ["-x", obtain(folder), join(folder, "unpacked")])
    const binary = join(folder, "unpacked/usr/bin/consul")
    run(binary, ["version"])
    renameSync(binary, cached)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const consul = () => {
  const given = process.env.CONSUL_BINARY
  if (given) {
    run(given, ["version"])
    return given.includes("/") ? resolve(given) : given
  }
  if (!existsSync(cached)) {
    try {
      install(fromDisk)
    } catch {
      install(fromDebian)
    }
  }
  return cached
}

try {
  console.log(consul())
} catch (error) {
  const reason = /^E: (.*)$/m.exec(error.stderr ?? "")?.[1] ?? String(error.message ?? error).split("\n")[0]
  console.error(`fetch-consul: no Consul: ${reason} (set CONSUL_BINARY to the path of one)`)
  process.exitCode = 1
}
