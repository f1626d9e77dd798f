import { BlockList, isIP } from "node:net";
import { type AddressDetail, NETWORK } from "../options/privacy.ts";

/** Addresses of networks that many share, or that never reach a server from outside (RFC 6890). */
const PRIVATE = new BlockList();
const NETWORKS =
  "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 ::/127 fc00::/7 fe80::/10";
for (const network of NETWORKS.split(" ")) {
  const [address = "", prefix] = network.split("/");
  PRIVATE.addSubnet(address, Number(prefix), isIP(address) === 4 ? "ipv4" : "ipv6");
}

/** Node shows IPv4 visitors of an IPv6 socket as mapped addresses; proxies do not. */
export const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * The one form in which an address is kept, compared and shown. Some proxies add the port, which differs with each
 * connection, or brackets (RFC 7239 section 6); what is no address stays as it came. Undefined where there is none.
 */
export function normalAddress(given: string | undefined): string | undefined {
  const text = given?.trim() ?? "";
  if (isIP(text) === 4) return text;
  const [, bracketed, v4] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(text) ?? [];
  const address = bracketed ?? v4 ?? text;
  if (isIP(address) !== 6) return address === "" ? undefined : address;
  const [plain = "", zone] = address.split("%");
  // URLs have one spelling for each.
  const normal = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(normal) ?? [];
  if (high !== undefined && low !== undefined)
    return dotted(Number.parseInt(high, 16), Number.parseInt(low, 16));
  return zone === undefined ? normal : `${normal}%${zone}`;
}

const dotted = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join(".");

/** The address that the first proxy saw, from a list like `X-Forwarded-For`. */
export function firstOf(list: string | undefined): string | undefined {
  // Nearly always there is one, or none.
  const items = list?.includes(",") ? list.split(",") : [list ?? ""];
  for (const item of items) {
    const trimmed = item.trim();
    if (trimmed !== "") return trimmed;
  }
  return undefined;
}

/** A public address, rather than that of a machine or a proxy in the same network. */
export function isPublic(address: string): boolean {
  const plain = unmapped(address);
  const family = isIP(plain);
  return family !== 0 && !PRIVATE.check(plain, family === 4 ? "ipv4" : "ipv6");
}

/** An address as it may be stored; undefined for none. What is no address has no network. */
export function keptAddress(
  address: string | undefined,
  { privacy }: { readonly privacy: { readonly addresses: AddressDetail } },
): string | undefined {
  if (privacy.addresses === "full" || address === undefined) return address;
  return privacy.addresses === "none" ? undefined : networkOf(address);
}

function networkOf(given: string): string | undefined {
  const [address = ""] = (normalAddress(given) ?? "").split("%");
  const family = isIP(address);
  if (family === 4)
    return `${address
      .split(".")
      .slice(0, NETWORK.v4 / 8)
      .join(".")}.0`;
  if (family !== 6) return undefined;
  const [before = "", after] = address.split("::");
  const [first, last] = [before, after ?? ""].map((part) => (part === "" ? [] : part.split(":")));
  const missing = after === undefined ? 0 : 8 - (first?.length ?? 0) - (last?.length ?? 0);
  const groups = [...(first ?? []), ...Array.from({ length: missing }, () => "0"), ...(last ?? [])];
  return normalAddress(`${groups.slice(0, NETWORK.v6 / 16).join(":")}::`);
}
