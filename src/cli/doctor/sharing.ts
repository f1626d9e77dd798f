import type { CookieDefinition } from "../../http/cookies.ts";
import { bytesOfKey, copyOf } from "../../protocol/bytes.ts";
import type { Config } from "../config.ts";
import { error, type Finding } from "./finding.ts";
import { isKey, listed } from "./keys.ts";
import { cookiesOf, settingsOf } from "./settings.ts";

/** What two applications have in common and should not. */
export function sharingFindings(config: Config, other: Config): Finding[] {
  const ours = settingsOf(config).settings;
  const theirs = settingsOf(other).settings;
  if (ours === undefined || theirs === undefined) return [];
  const findings: Finding[] = [];
  for (const cookie of cookiesOf(ours)) {
    const twin = cookiesOf(theirs).find(({ name }) => name === cookie.name);
    if (twin === undefined || !meet(cookie, config, twin, other)) continue;
    findings.push(
      error(
        "cookie_shared",
        `${cookie.name} is a cookie of ${other.file} as well. Where both are on one host (ports make no difference) each replaces and clears the other's: ${cookie === ours.cookies.device ? "known browsers are treated as new" : "a user who signs in here is signed out there"}.`,
        "Give one of them names of its own: cookies.session, cookies.remember and cookies.device.",
      ),
    );
  }
  if (ours.realm === theirs.realm && keysOf(config).some((key) => keysOf(other).includes(key))) {
    findings.push(
      error(
        "keys_shared",
        `A key of this application is a key of ${other.file} as well: each accepts cookies of the other where names and attributes are the same, and one leaked key compromises both.`,
        "Give each application keys of its own; `psession keys rotate` exchanges them without signing users out. For two kinds of users of one application, use a realm each.",
      ),
    );
  }
  return findings;
}

function meet(a: CookieDefinition, of: Config, b: CookieDefinition, other: Config): boolean {
  const [hostA, hostB] = [hostOf(of), hostOf(other)];
  const isSameHost =
    hostA === undefined || hostB === undefined || hostA === hostB || isBelow(hostA, b) || isBelow(hostB, a);
  return isSameHost && (a.path.startsWith(b.path) || b.path.startsWith(a.path));
}

function hostOf({ deployment: { url } }: Config): string | undefined {
  return url === undefined ? undefined : new URL(url).hostname;
}

const isBelow = (host: string, { domain }: CookieDefinition): boolean =>
  domain !== undefined && (host === domain || host.endsWith(`.${domain}`));

const keysOf = ({ options }: Config): string[] =>
  listed(options?.keys)
    .filter((key): key is string | Uint8Array => isKey(key) && key.length > 0)
    .map((key) => copyOf(bytesOfKey(key)).toString("base64"));
