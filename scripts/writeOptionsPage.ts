/**
 * Writes `docs/options.md`: `npx tsx scripts/writeOptionsPage.ts && npm run fix`.
 */
import { writeFileSync } from "node:fs"
import { page } from "./optionsPage.js"

writeFileSync(new URL("../docs/options.md", import.meta.url), page)
