/**
 * Whether a request was meant for this server, by its `Host` header. A page of another site can have its own name lead to
 * 127.0.0.1 (DNS rebinding), and then read and write the store of a server there. Its requests name that site as their host.
 */
import * as Option from "effect/Option"

/** The host of a header without its port, as URLs write it: in lower case, IPv6 in brackets. */
const nameOf = (header: string): Option.Option<string> =>
  URL.canParse(`http://${header}`) ? Option.some(new URL(`http://${header}`).hostname) : Option.none()

/** The address of a socket as URLs write it. IPv4 inside IPv6 is written as IPv4. */
const written = (address: string): string => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "")
  return plain.includes(":") ? `[${plain}]` : plain
}

/** Browsers lead `localhost` and names below it to this machine, whatever DNS says. */
const loopback = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/

/** Whether a host is this machine itself, or one of `own`: names and addresses, IPv6 without brackets. */
export const isOwn = (header: string, own: Iterable<string>): boolean =>
  Option.exists(
    nameOf(header),
    (name) =>
      loopback.test(name) || Array.from(own).some((each) => Option.contains(nameOf(written(each)), name))
  )
