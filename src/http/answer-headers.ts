import type { Settlement } from "./settlement.ts";

/** Fields that only CDNs read, in place of Cache-Control (RFC 9213), and older ones of particular CDNs. */
const OF_CDNS = [
  "CDN-Cache-Control",
  "Cloudflare-CDN-Cache-Control",
  "Netlify-CDN-Cache-Control",
  "Vercel-CDN-Cache-Control",
  "Surrogate-Control",
  "Edge-Control",
] as const;

type Header = readonly [name: string, value: string];

const NONE: readonly Header[] = [];

/**
 * The headers that an answer needs besides its cookies, each in place of what it has of that name, which `header` gives.
 * None if the session was not looked at.
 */
export function answerHeaders(
  { noStore, caching, registration }: Omit<Settlement, "setCookie">,
  header: (name: string) => unknown,
): readonly Header[] {
  if (!noStore && caching === undefined && registration === undefined) return NONE;
  const headers: Header[] = [];
  if (registration !== undefined) {
    const { path, challenge } = registration;
    const value = `(ES256 RS256);path="${path}";challenge="${challenge}"`;
    headers.push(["Secure-Session-Registration", value]);
  }
  const vary = caching === undefined ? undefined : varying(textOf(header("Vary")));
  if (vary !== undefined) headers.push(["Vary", vary]);
  if (noStore) {
    headers.push(["Cache-Control", "no-store"]);
    for (const name of OF_CDNS) if (textOf(header(name)) !== "") headers.push([name, "no-store"]);
  } else if (caching !== "varies") {
    const control = controlled(textOf(header("Cache-Control")), caching === "guarded");
    if (control !== undefined) headers.push(["Cache-Control", control]);
  }
  return headers;
}

/** Undefined if it names Cookie already. */
function varying(vary: string): string | undefined {
  if (vary === "") return "Cookie";
  const names = namesIn(vary);
  return names.includes("cookie") || names.includes("*") ? undefined : `${vary}, Cookie`;
}

/** Undefined if the application has decided which caches may keep the answer. */
function controlled(control: string, isGuarded: boolean): string | undefined {
  // `private="set-cookie"` is about a header, and what is quoted is no directive.
  const names = control === "" ? [] : namesIn(control.replace(/"[^"]*"?/g, '""'));
  if (names.includes("public") || names.includes("private") || names.includes("no-store")) return undefined;
  if (isGuarded) return "no-store";
  return control === "" ? "private" : `${control}, private`;
}

const namesIn = (list: string): string[] => list.toLowerCase().split(",").map(trimmed);

const trimmed = (name: string): string => name.trim();

/** As frameworks keep headers: text, or a list where one was set several times. */
const textOf = (value: unknown): string =>
  value === undefined || value === null ? "" : Array.isArray(value) ? value.join(", ") : String(value);
