import Bowser from "bowser";

/** A name for a browser that its owner recognises. A label, never a reason to refuse: browsers update themselves. */
export function deviceLabel(userAgent: string | undefined): string {
  const { browser, os } = namesIn(userAgent);
  return labelOf(browser, os) ?? "Unknown browser";
}

/**
 * The names in it that are known in advance. An attacker chooses the user agent: mail programs make a link of what looks
 * like a host, so "acme-shop.security-check.com" would seem to come from the application.
 */
export function knownNames(userAgent: string | undefined): Names {
  const { browser, os } = namesIn(userAgent);
  return { browser: isIn(Bowser.BROWSER_MAP, browser), os: isIn(Bowser.OS_MAP, os) };
}

interface Names {
  readonly browser: string | undefined;
  readonly os: string | undefined;
}

function namesIn(userAgent: string | undefined): Names {
  const { browser, os } = Bowser.parse(userAgent || " ");
  return { browser: browser.name || undefined, os: os.name || undefined };
}

const labelOf = (browser: string | undefined, os: string | undefined): string | undefined =>
  browser === undefined || os === undefined ? (browser ?? os) : `${browser} on ${os}`;

const isIn = (known: Readonly<Record<string, string>>, name: string | undefined): string | undefined =>
  name !== undefined && Object.values(known).includes(name) ? name : undefined;
