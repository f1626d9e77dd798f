import Bowser from "bowser";

/** A name for a browser that its owner recognises. A label, never a reason to refuse: browsers update themselves. */
export function deviceLabel(userAgent: string | undefined): string {
  const { browser, os } = namesIn(userAgent);
  return labelOf(browser, os) ?? "Unknown browser";
}

/**
 * The same, of names that are known in advance only. Whoever sends a request writes its user agent: in a mail, where
 * what looks like a host becomes a link, "acme-shop.security-check.com" would speak for us.
 */
export function knownDeviceLabel(userAgent: string | undefined): string | undefined {
  const { browser, os } = namesIn(userAgent);
  return labelOf(isIn(Bowser.BROWSER_MAP, browser), isIn(Bowser.OS_MAP, os));
}

function namesIn(userAgent: string | undefined): { browser: string | undefined; os: string | undefined } {
  const { browser, os } = Bowser.parse(userAgent || " ");
  return { browser: browser.name || undefined, os: os.name || undefined };
}

const labelOf = (browser: string | undefined, os: string | undefined): string | undefined =>
  browser === undefined || os === undefined ? (browser ?? os) : `${browser} on ${os}`;

const isIn = (known: Readonly<Record<string, string>>, name: string | undefined): string | undefined =>
  name !== undefined && Object.values(known).includes(name) ? name : undefined;
