import type { Request } from "express";
import type { Tls } from "./certificate.ts";

/** How the demo is served: over http, or over https with a certificate of its own. */
export interface Site {
  readonly scheme: "http" | "https";
  /** By which the thief knows the demo, as visitors do. */
  readonly certificate: string | undefined;
  readonly cookies: CookieNames;
}

/** Names of psession's cookies. */
export interface CookieNames {
  readonly session: string;
  readonly remember: string;
  /** The short one, that a browser gets for a proof of its key. Over http no browser has it. */
  readonly bound: string;
}

export function siteOf(tls: Tls | undefined): Site {
  // Cookies of this prefix come from https only, and from this host only.
  const prefix = tls === undefined ? "" : "__Host-";
  return {
    scheme: tls === undefined ? "http" : "https",
    certificate: tls?.cert,
    cookies: {
      session: `${prefix}psession`,
      remember: `${prefix}psession-remember`,
      bound: `${prefix}psession-bound`,
    },
  };
}

/** The name that passkeys and the certificate are for. */
export const HOST = "localhost";

/** Not by the header Host, which a visitor can choose: the link in somebody else's mail would lead to their own site. */
export const addressOf = ({ protocol, socket }: Request): string =>
  `${protocol}://${HOST}:${socket.localPort}`;
