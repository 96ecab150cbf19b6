/**
 * Random choices that follow from a seed. Each purpose has its own dice, so that one more roll for one purpose does not change
 * the rolls for another.
 */
import * as Hash from "effect/Hash"
import { PCGRandom } from "effect/Utils"

export interface Dice {
  /** A whole number from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(all: readonly [A, ...ReadonlyArray<A>]) => A
  /** Each with its own probability. */
  readonly some: <A>(all: ReadonlyArray<A>, probability: number) => ReadonlyArray<A>
  /** One of the names, with a probability in proportion to its weight. */
  readonly weighted: <K extends string>(weights: Readonly<Record<K, number>>) => K
}

export const make = (seed: number, purpose: string): Dice => {
  const random = new PCGRandom(seed, Hash.string(purpose))
  const between = (low: number, high: number) => low + random.integer(high - low + 1)
  const chance = (probability: number) => random.number() < probability
  return {
    between,
    chance,
    pick: (all) => all[between(0, all.length - 1)] ?? all[0],
    some: (all, probability) => all.filter(() => chance(probability)),
    weighted: <K extends string>(weights: Readonly<Record<K, number>>): K => {
      const entries = Object.entries(weights) as Array<[K, number]>
      const last = entries.at(-1)
      if (last === undefined) throw new Error("nothing to choose from")
      let left = random.number() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of entries) {
        left -= weight
        if (left < 0) return name
      }
      return last[0]
    }
  }
}
