/**
 * Which names the paths of one endpoint carry, as far as its answers have shown.
 *
 * Consul's versions differ: 1.8.7 refuses characters that its Go does not know as printable, 1.21.5 and later all but
 * `a-zA-Z0-9,_./-?&=`, later ones spaces at the ends. So a name is tried, and a refusal is remembered: for that name, and
 * for a character where only one in the name can be the reason. Both are forgotten after a while, since a server may have
 * been upgraded; then one request is refused again.
 */
import { isNameable, nameablePart } from "./KeyPath.js"
import type { NameRefusal } from "./Refusals.js"

/** How long a refusal is believed. */
const memory = 5 * 60_000

/** Of each kind, so many refusals are remembered. */
const mostRemembered = 10_000

/** Every Consul takes these in a path, wherever they stand. */
const portable = /^[a-zA-Z0-9,_/=&?-]*/

/** Every Consul takes these in a path, except at an end. */
const inner = /[a-zA-Z0-9,_./=&?-]/

/** A Consul that takes any path with this name takes it: a refusal is about something else. */
export const isPortable = (name: string): boolean => portable.exec(name)?.[0] === name

/** The one character that the refusal of a name can be about. A space may be refused at an end only. */
const culprit = (name: string): string | undefined => {
  const odd = new Set(Array.from(name).filter((char) => !inner.test(char)))
  const [only] = odd
  return odd.size === 1 && (only !== " " || name.trim() === name) ? only : undefined
}

/** Mutable, and shared by all clients of an endpoint. Times are milliseconds of the clock that nobody sets. */
export class PathNames {
  private readonly names = new Map<string, number>()
  private readonly characters = new Map<string, number>()
  private readonly kinds = new Set<NameRefusal>()

  /** How many refusals are remembered. */
  get size(): number {
    return this.names.size
  }

  /** Whether a path is worth a try. The empty name is the whole store. */
  carries(name: string): boolean {
    if (!isNameable(name)) return name === ""
    if (this.names.has(name)) return false
    if (this.characters.size === 0) return true
    for (const char of name) if (this.characters.has(char)) return false
    return true
  }

  /**
   * The longest leading part of a name that is worth a try: all that begins with the name begins with it. Every Consul
   * takes the one before the last, whose characters are portable.
   */
  leadingPart(name: string): string {
    const parts = [name, nameablePart(this.known(name)), nameablePart(portable.exec(name)?.[0] ?? "")]
    return parts.find((part) => this.carries(part)) ?? ""
  }

  /** What stands before the first character that was refused. */
  private known(name: string): string {
    let length = 0
    for (const char of name) {
      if (this.characters.has(char)) break
      length += char.length
    }
    return name.slice(0, length)
  }

  /** A path with this name was refused. Says whether none was refused so before. */
  refuse(name: string, kind: NameRefusal, now: number): boolean {
    remember(this.names, name, now)
    const char = culprit(name)
    if (char !== undefined) remember(this.characters, char, now)
    const isNews = !this.kinds.has(kind)
    this.kinds.add(kind)
    return isNews
  }

  /** Forgets what was refused too long ago. */
  forget(now: number): void {
    for (const refusals of [this.names, this.characters]) {
      for (const [name, at] of refusals) {
        if (now - at < memory) break
        refusals.delete(name)
      }
    }
  }
}

const remember = (refusals: Map<string, number>, name: string, now: number): void => {
  refusals.delete(name)
  refusals.set(name, now)
  if (refusals.size <= mostRemembered) return
  const [oldest] = refusals.keys()
  if (oldest !== undefined) refusals.delete(oldest)
}
