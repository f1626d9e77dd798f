import { reasonOf } from "../../errors.ts";
import { type CookieDefinition, clearCookie, serializeCookie } from "../../http/cookies.ts";
import type { Settings } from "../../options/settings.ts";
import { error, type Finding, note, warning } from "./finding.ts";
import { heldFindings } from "./held.ts";
import { attributesOf } from "./key-requests.ts";

const PATIENCE = 10_000;
/** Longer than clocks of servers differ, and not too long for an application to believe. */
const CLAIMED_AGE = 4 * 60_000;
const UNTRUSTED_REMEDY =
  "Trust the proxy: Express app.set('trust proxy', 1), elsewhere trustProxy: true. If the proxy is trusted, the page asks for no session: give the address of one that does.";

interface Seen {
  readonly status: number;
  readonly isUncached: boolean;
  /** Set-Cookie lines by cookie, of psession's. */
  readonly lines: ReadonlyMap<CookieDefinition, string>;
}

/**
 * Looks at the application from outside. On any page that opens its session, psession clears two cookies of one name
 * that cannot be its own: this shows what it sets, and whether it takes the request for https, without signing in.
 * Nothing is stored.
 */
export async function probeFindings(url: string, settings: Settings): Promise<Finding[]> {
  const { session } = settings.cookies;
  const isHttps = new URL(url).protocol === "https:";
  let plain: Seen;
  let forged: Seen;
  try {
    plain = await ask(url, settings, {});
    // A proxy that may be trusted overwrites what visitors claim.
    const proto = isHttps ? "http" : "https";
    forged = await ask(url, settings, { "x-forwarded-proto": proto, forwarded: `proto=${proto}` });
  } catch (fault) {
    return [
      error(
        "url_unreachable",
        `${url} does not answer (${reasonOf((fault as Error).cause ?? fault)}).`,
        "Give the address of a page of the application, as visitors have it.",
      ),
    ];
  }
  if (plain.status >= 500) {
    return [
      error(
        "url_failing",
        `${url} answers with status ${plain.status}.`,
        "See the application's log; then ask again.",
      ),
    ];
  }
  const findings = [
    ...changedCookies(plain),
    ...cached(plain, settings),
    ...(await startFindings(url, settings, plain)),
    ...(plain.lines.size > 0 ? await heldFindings(url, settings, useless(settings)) : []),
  ];
  const isSeen = plain.lines.size > 0;
  // Cookies that need no https are set whatever the header claims.
  if (!session.secure) return isSeen ? findings : [...findings, nothingSeen(url)];

  if (isSeen !== forged.lines.size > 0) {
    findings.push(
      error(
        "proxy_trusted_blindly",
        `The application at ${url} believes the X-Forwarded-Proto that any visitor sends, and so X-Forwarded-For: addresses in logs and device lists, and limits by address, are whatever an attacker sends.`,
        "Trust no proxy where none is in front; else let the proxy overwrite these headers, let nothing but the proxy reach the application, and trust that one only.",
      ),
    );
  }
  if (isHttps && !isSeen) {
    findings.push(
      error(
        "proxy_untrusted",
        `A page at ${url} gave no sign of a session: the application takes the request for plain http, sets no cookies, and no user can sign in.`,
        UNTRUSTED_REMEDY,
      ),
    );
  }
  if (!isHttps && isSeen) {
    findings.push(
      error(
        "http_taken_for_https",
        `The application takes plain http at ${url} for https: browsers drop the Secure cookies that it sets, and secrets travel in the clear.`,
        "Let the proxy say X-Forwarded-Proto: http for what it gets over http, or redirect http to https there.",
      ),
    );
  }
  if (!isHttps && !isSeen && findings.length === 0) findings.push(nothingSeen(url));
  return findings;
}

/**
 * psession clears useless cookies only in quick answers, as the browser may have newer ones by now: this shows whether
 * the application believes that a request came minutes ago.
 */
async function startFindings(url: string, settings: Settings, plain: Seen): Promise<Finding[]> {
  const header = settings.proxy.requestStart;
  if (header === undefined) return [];
  if (plain.lines.size === 0) {
    return [
      note(
        "request_start_not_seen",
        `${url} gave no sign of a session, so whether a visitor's ${header} reaches the application was not seen.`,
        "Give the https address of a page that uses its session.",
      ),
    ];
  }
  const claimed = { [header]: `t=${((Date.now() - CLAIMED_AGE) / 1000).toFixed(3)}` };
  const { lines } = await ask(url, settings, claimed);
  if (lines.size > 0) return [];
  return [
    error(
      "request_start_believed",
      `The application at ${url} believes the ${header} that any visitor sends: a thief can date a stolen token back, as if it had been on its way.`,
      `Let the proxy overwrite ${header}, or leave the option proxy.requestStart out.`,
    ),
  ];
}

const nothingSeen = (url: string): Finding =>
  note(
    "session_not_seen",
    `${url} gave no sign of a session, as is right over plain http: cookies and proxy were not seen.`,
    "Give the https address of a page that uses its session.",
  );

/** Two of each name, none of which can be psession's. */
const useless = ({ cookies: { session, remember } }: Settings): string =>
  [session, remember].flatMap(({ name }) => [`${name}=doctor`, `${name}=doctor`]).join("; ");

async function ask(url: string, settings: Settings, headers: Record<string, string>): Promise<Seen> {
  const definitions = [settings.cookies.session, settings.cookies.remember];
  const response = await fetch(url, {
    headers: {
      accept: "text/html",
      "user-agent": "psession doctor",
      ...headers,
      cookie: useless(settings),
    },
    redirect: "manual",
    signal: AbortSignal.timeout(PATIENCE),
  });
  await response.body?.cancel();
  const lines = new Map<CookieDefinition, string>();
  for (const line of response.headers.getSetCookie()) {
    const definition = definitions.find(({ name }) => line.startsWith(`${name}=`));
    if (definition !== undefined) lines.set(definition, line);
  }
  const isUncached = /\bno-store\b/.test(response.headers.get("cache-control") ?? "");
  return { status: response.status, isUncached, lines };
}

/** Proxies rewrite cookies: paths, domains, flags. What arrives should be what was sent. */
function changedCookies({ lines }: Seen): Finding[] {
  return [...lines].flatMap(([definition, line]) => {
    const sent = attributesOf(serializeCookie(clearCookie(definition)));
    const arrived = attributesOf(line);
    const lost = sent.filter((one) => !arrived.includes(one));
    const gained = arrived.filter((one) => !sent.includes(one));
    if (lost.length + gained.length === 0) return [];
    const changes = [...lost.map((one) => `lacks ${one}`), ...gained.map((one) => `has ${one}`)].join(", ");
    return [
      error(
        "cookie_changed",
        `${definition.name} arrives otherwise than this configuration sets it (${changes}): it may be readable by scripts, go to others, or never be cleared.`,
        "Let no proxy rewrite Set-Cookie, and run doctor with the configuration of the application.",
      ),
    ];
  });
}

function cached({ lines, isUncached }: Seen, { cookies }: Settings): Finding[] {
  if (lines.size === 0 || isUncached || !cookies.noStore) return [];
  return [
    warning(
      "cache_allowed",
      "A response that sets a cookie arrives without Cache-Control: no-store: a cache on the way may give one visitor's cookie to another.",
      "Let no proxy remove the header.",
    ),
  ];
}
