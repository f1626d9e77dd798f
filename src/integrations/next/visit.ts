import { isSecureScheme, originAt } from "../../http/scheme.ts";
import { forwarded } from "../../integration/forwarded.ts";
import type { Settings } from "../../options/settings.ts";
import type { KeyRing } from "../../protocol/secrets.ts";
import { cameAt } from "../../request/arrival.ts";
import { factsOf, isPassive, type RequestFacts } from "../../request/facts.ts";
import type { NextOptions } from "./options.ts";

/**
 * How the proxy tells components and actions what they cannot see of their request. A client can send this header too,
 * and reaches them with it where the proxy does not run, so it has a MAC.
 */
export const VISIT_HEADER = "x-psession-visit";

/** What the proxy saw. */
export interface Visit {
  /** Epoch milliseconds. */
  readonly arrivedAt: number;
  readonly method: string;
  /** With its query, without `basePath`. */
  readonly path: string;
  /** Of Next's configuration. Route handlers do not see it. */
  readonly basePath: string;
}

/** The header's value. It never leaves the server. */
export function signVisit({ arrivedAt, method, path, basePath }: Visit, keys: KeyRing): string {
  const text = Buffer.from(JSON.stringify([arrivedAt, method, path, basePath])).toString("base64url");
  return `${text}.${keys.sign("hop", text)}`;
}

/** Undefined where the proxy did not run, or what came is not its own. */
export function readVisit(headers: Headers, keys: KeyRing): Visit | undefined {
  const [text = "", mac = "", ...more] = headers.get(VISIT_HEADER)?.split(".") ?? [];
  if (more.length > 0 || mac === "" || !keys.verify("hop", text, mac)) return undefined;
  const [arrivedAt, method, path, basePath = ""] = JSON.parse(Buffer.from(text, "base64url").toString()) as [
    number,
    string,
    string,
    string?,
  ];
  return { arrivedAt, method, path, basePath };
}

/** What `factsOf` and guards need of a request of which only the headers are at hand. */
export interface SeenRequest extends Visit {
  readonly headers: Headers;
  /** Identifies the request throughout its handler. */
  readonly token: object;
  /** The proxy has opened the session before. */
  readonly hasPassed: boolean;
}

const headerOf = (headers: Headers) => (name: string) => headers.get(name) ?? undefined;

export function factsOfNext(
  settings: Pick<Settings, "proxy" | "session">,
  { headers, token, arrivedAt, method, path, hasPassed }: Omit<SeenRequest, "basePath">,
  { trustProxy = false, address }: NextOptions,
): RequestFacts {
  const header = headerOf(headers);
  return factsOf(header, {
    method,
    secure: isSecure(headers, trustProxy),
    // Next puts the address of the connection there if nothing came, and keeps what came: any client can send it.
    address: forwarded(header, "for", trustProxy) ?? address?.(headers),
    arrivedAt: cameAt(settings, header, arrivedAt),
    passive: isPassive(settings, header, method, () => path),
    isNoted: hasPassed,
    request: token,
    origin: () => originOfNext(headers, trustProxy),
    trustsProxy: trustProxy,
  });
}

/** Scheme and host as the visitor's browser sees them. The host in a NextRequest's URL is the server's own name. */
export function originOfNext(headers: Headers, trustProxy = false): string {
  const host = forwarded(headerOf(headers), "host", trustProxy) ?? headers.get("host") ?? "";
  return originAt(isSecure(headers, trustProxy), host);
}

/** Next fills in this header, and keeps what a client sends: without a trusted proxy it says nothing. */
const isSecure = (headers: Headers, trustProxy: boolean): boolean =>
  isSecureScheme(forwarded(headerOf(headers), "proto", trustProxy) ?? "");
