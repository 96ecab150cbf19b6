// The licence texts of the packages that a bundle contains, as one text.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** A licence, a notice that the licence asks to keep, or the list of authors that a licence names as its holders. */
const isLicence = (name) => /^(licen[cs]e|copying|notice|authors)\b/i.test(name)

/** The folder of the package that a file belongs to: the nearest whose `package.json` has a name and a version. */
const packageOf = (file) => {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, "package.json")
    if (!existsSync(path)) continue
    const manifest = JSON.parse(readFileSync(path, "utf8"))
    if (manifest.name !== undefined && manifest.version !== undefined) return { folder, manifest }
  }
  throw new Error(`${file} belongs to no package`)
}

const textsOf = (folder) =>
  readdirSync(folder)
    .filter(isLicence)
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8").trim())

/**
 * Fails if a package has no licence text: it must not be shipped so. `files` are those whose code is in the bundle.
 */
export const licenses = (files) => {
  const packages = new Map()
  for (const file of files) {
    if (!file.includes("node_modules/")) continue
    const { folder, manifest } = packageOf(file)
    packages.set(`${manifest.name} ${manifest.version}`, { folder, manifest })
  }
  const parts = [...packages]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([title, { folder, manifest }]) => {
      const texts = textsOf(folder)
      if (texts.length === 0)
        throw new Error(`${title} (${manifest.license}) has no licence text in ${folder}`)
      return [`${title} (${manifest.license})`, ...texts].join("\n\n")
    })
  const rule = `\n\n${"-".repeat(80)}\n\n`
  return `${["dist/cli.js contains these packages, each under the licence that follows its name.", ...parts].join(rule)}\n`
}
