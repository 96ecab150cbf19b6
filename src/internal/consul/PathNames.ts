/**
 * The names that the paths of one endpoint carry, as far as its answers have shown.
 *
 * Consul's versions differ: 1.8.7 refuses characters that its Go does not know as printable, 1.21.5 and later all but
 * `a-zA-Z0-9,_./-?&=`, later ones spaces at the ends. So a name is tried, and a refusal is remembered: for that name, and for a
 * character if only that character of the name can be the reason. Both are forgotten after a while, since a server may have been
 * upgraded. Then one request is refused again.
 */
import { isNameable, nameablePart } from "./KeyPath.js"
import type { NameRefusal } from "./Refusals.js"

/** How long a refusal is remembered: ms. */
const memory = 5 * 60_000

/** The most names, and the most characters, that are remembered. */
const mostRemembered = 10_000

/** Characters that every Consul accepts anywhere in a path. */
const portable = /^[a-zA-Z0-9,_/=&?-]*/

/** Characters that every Consul accepts in a path, except at its ends. */
const inner = /[a-zA-Z0-9,_./=&?-]/

/** Whether every Consul accepts the name in a path: a refusal is about something else. */
export const isPortable = (name: string): boolean => portable.exec(name)?.[0] === name

/** The only character that can be the reason of a refusal; none if there are several. A space may be refused only at an end. */
const culprit = (name: string): string | undefined => {
  const odd = new Set(Array.from(name).filter((char) => !inner.test(char)))
  const [only] = odd
  return odd.size === 1 && (only !== " " || name.trim() === name) ? only : undefined
}

/** Mutable, and shared by all clients of an endpoint. Times are in ms, monotonic. */
export class PathNames {
  private readonly names = new Map<string, number>()
  private readonly characters = new Map<string, number>()
  private readonly kinds = new Set<NameRefusal>()

  /** Number of names that are remembered. */
  get size(): number {
    return this.names.size
  }

  /** Whether a path with this name is worth a try. The empty name is the whole store. */
  carries(name: string): boolean {
    if (!isNameable(name)) return name === ""
    if (this.names.has(name)) return false
    if (this.characters.size === 0) return true
    for (const char of name) if (this.characters.has(char)) return false
    return true
  }

  /**
   * The longest leading part of a name that is worth a try: every key that begins with the name begins with the part. Every
   * Consul accepts the third candidate, whose characters are portable.
   */
  leadingPart(name: string): string {
    const parts = [name, nameablePart(this.accepted(name)), nameablePart(portable.exec(name)?.[0] ?? "")]
    return parts.find((part) => this.carries(part)) ?? ""
  }

  /** The characters in front of the first one that was refused. */
  private accepted(name: string): string {
    let length = 0
    for (const char of name) {
      if (this.characters.has(char)) break
      length += char.length
    }
    return name.slice(0, length)
  }

  /** Remembers that a path with this name was refused. Returns whether this kind of refusal is the first. */
  refuse(name: string, kind: NameRefusal, now: number): boolean {
    remember(this.names, name, now)
    const char = culprit(name)
    if (char !== undefined) remember(this.characters, char, now)
    const isNews = !this.kinds.has(kind)
    this.kinds.add(kind)
    return isNews
  }

  /** Forgets old refusals. */
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
