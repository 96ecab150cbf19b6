/**
 * A program that RealConsul.test.ts kills. It starts a datacenter, prints its own process id, and waits.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as RealConsul from "./RealConsul.js"

RealConsul.datacenters(["nyc1"]).pipe(
  Effect.flatMap(({ nyc1 }) => nyc1.agents[0].pid),
  Effect.flatMap(Effect.transposeMapOption((pid) => Console.log(pid))),
  Effect.zipRight(Effect.never),
  Effect.scoped,
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain
)
