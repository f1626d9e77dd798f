import { BlockList, isIP } from "node:net";

/** Of networks that many share, or that never reach a server from outside (RFC 6890). */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
] as const)
  PRIVATE.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
] as const)
  PRIVATE.addSubnet(network, prefix, "ipv6");

/** Node shows IPv4 visitors of an IPv6 socket as mapped addresses; proxies do not. */
export const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");

/** An address that was seen from outside, rather than that of a machine or a proxy beside ours. */
export function isPublic(address: string): boolean {
  const plain = unmapped(address);
  const family = isIP(plain);
  return family !== 0 && !PRIVATE.check(plain, family === 4 ? "ipv4" : "ipv6");
}
