import { createHash, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { selfSigned, type Tls } from "./certificate.ts";
import { openFolder } from "./folder.ts";
import { HOST } from "./site.ts";

/** Some systems trust none that is valid for longer. */
const VALID_DAYS = 397;
const DAY = 86_400_000;

/** The demo's certificate, and how browsers may be told to trust it. */
export interface DemoTls extends Tls {
  readonly path: string;
  /** The digest of its key, as Chromium's flag takes it. */
  readonly pin: string;
  readonly until: Date;
}

/** Makes the certificate where it is missing, or about to run out; only the folder's owner may read its key. */
export function openTls(dir: string): DemoTls {
  openFolder(dir);
  const path = join(dir, "certificate.pem");
  const keyPath = join(dir, "certificate-key.pem");
  if (!isValid(path) || !existsSync(keyPath)) {
    const { key, cert } = selfSigned(HOST, VALID_DAYS);
    writeFileSync(keyPath, key, { mode: 0o600 });
    writeFileSync(path, cert, { mode: 0o600 });
  }
  const [key, cert] = [readFileSync(keyPath, "utf8"), readFileSync(path, "utf8")];
  const { publicKey, validToDate } = new X509Certificate(cert);
  const pin = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
  return { key, cert, path, pin, until: validToDate };
}

const isValid = (path: string): boolean =>
  existsSync(path) && new X509Certificate(readFileSync(path)).validToDate.getTime() > Date.now() + DAY;

/** What a person needs who wants to see device-bound sessions. */
export function howToTrust({ path, pin, until }: DemoTls, address: string, dir: string): string {
  const flags = [
    `--user-data-dir=${join(dir, "chromium")}`,
    `--ignore-certificate-errors-spki-list=${pin}`,
    // A key in software where the machine has no hardware for it, and no limit to how often it is proved.
    "--enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
  ];
  return `
Browsers warn of its certificate, which it has made itself, and bind no session where they do. This starts a Chromium
that takes the certificate and has keys, with a profile of its own (Chrome, Edge and Brave have the same flags):

  chromium ${flags.join(" \\\n    ")} \\
    ${address}/lab

Or let this system trust it, until ${until.toISOString().slice(0, 10)}; Chrome on Windows, from version 146 on, then needs no flags:

  ${TRUST[process.platform]?.(path) ?? `(see how your system trusts ${path})`}
`;
}

const TRUST: Partial<Record<NodeJS.Platform, (path: string) => string>> = {
  win32: (path) => `certutil -user -addstore Root "${path}"`,
  darwin: (path) => `security add-trusted-cert -p ssl -k ~/Library/Keychains/login.keychain-db "${path}"`,
  linux: (path) => `certutil -d sql:$HOME/.pki/nssdb -A -t P,, -n "psession demo" -i "${path}"`,
};
