import { describe, expect, it } from "@effect/vitest"
import * as DeletePolicy from "../../src/internal/plan/DeletePolicy.js"
import { only, under } from "../../src/KeyRange.js"

describe("what is missing at the source", () => {
  it("is what was read last of each key: a part that is watched no more may have spoken before its successors", () => {
    const former = DeletePolicy.missingAfter([], under("global/a"), ["global/a1", "global/a2", "global/a3"])
    expect(DeletePolicy.missingAfter(former, under("global/a1"), [])).toEqual(["global/a2", "global/a3"])
    expect(DeletePolicy.missingAfter(former, only("global/a2"), [])).toEqual(["global/a1", "global/a3"])
    expect(DeletePolicy.missingAfter(former, under("global/a"), ["global/a3"])).toEqual(["global/a3"])
  })

  it("is all that other ranges lack", () => {
    expect(DeletePolicy.missingAfter(["global/a1"], under("global/b"), ["global/b1"])).toEqual([
      "global/a1",
      "global/b1"
    ])
  })
})
