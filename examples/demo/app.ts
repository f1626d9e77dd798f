import { createRequire } from "node:module";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import express, { type Express } from "express";
import { createPsession, dangerouslyAllowInsecureHttp, type Psession } from "psession";
import { devices, originCheck, sessions } from "psession/express";
import { theftNotice } from "psession/notices";
import { sqliteStore } from "psession/sqlite";
import { makeAttempts } from "./attempts.ts";
import { Billing } from "./billing.ts";
import type { Tls } from "./certificate.ts";
import { DemoClock } from "./clock.ts";
import { Credentials } from "./credentials.ts";
import { answerError, notFound } from "./errors.ts";
import { EventLog } from "./event-log.ts";
import { openFolder } from "./folder.ts";
import { noStore, securityHeaders } from "./headers.ts";
import { Lab } from "./lab.ts";
import { Otp } from "./otp.ts";
import { Outbox } from "./outbox.ts";
import type { Parts } from "./parts.ts";
import { Passkeys } from "./passkeys.ts";
import { madeUpPlace } from "./places.ts";
import { Resets } from "./resets.ts";
import { accountRoutes } from "./routes/account.ts";
import { billingRoutes } from "./routes/billing.ts";
import { codeRoutes } from "./routes/code.ts";
import { deviceRoutes } from "./routes/devices.ts";
import { emailRoutes } from "./routes/email.ts";
import { homeRoutes } from "./routes/home.ts";
import { labRoutes, noteVisits } from "./routes/lab.ts";
import { openPageRoutes } from "./routes/open-pages.ts";
import { passkeyRoutes } from "./routes/passkeys.ts";
import { passwordRoutes } from "./routes/password.ts";
import { privacyRoutes } from "./routes/privacy.ts";
import { proofRoutes } from "./routes/proofs.ts";
import { resetRoutes } from "./routes/reset.ts";
import { securityRoutes } from "./routes/security.ts";
import { supportRoutes } from "./routes/support.ts";
import { siteOf } from "./site.ts";
import { Users } from "./users.ts";

declare module "psession" {
  interface SessionData {
    cart: string[];
    /** A sentence for the next page, shown once. */
    notice: string;
  }
}

export interface DemoOptions {
  /** Where the database and the key are kept. */
  dir: string;
  /** With it the demo is to be served over https, and its sessions are bound to keys in their browsers. Default: http. */
  tls?: Tls | undefined;
  /** Receives errors that are the demo's fault. Default: console.error. */
  log?: (error: unknown) => void;
  /** The time by which authenticator apps make codes. Default: the real one, which the lab does not move. */
  authenticatorTime?: () => number;
  /** Gets the messages that a real app sends as mail. Default: console.log. */
  print?: (line: string) => void;
}

export interface Demo {
  readonly app: Express;
  readonly psession: Psession;
  readonly clock: DemoClock;
  close(): Promise<void>;
}

const PUBLIC_DIR = fileURLToPath(new URL("./public/", import.meta.url));
/** The modules of @simplewebauthn/browser, as they are: browsers load them without a bundler. */
const WEBAUTHN_DIR = join(createRequire(import.meta.url).resolve("@simplewebauthn/browser"), "../../esm");
const BODY_LIMIT = "16kb";
/** For http://localhost only. Without it cookies are Secure and carry the __Host- prefix. */
const FOR_HTTP = { [dangerouslyAllowInsecureHttp]: true } as const;

export function createDemo({
  dir,
  tls,
  log = console.error,
  authenticatorTime = Date.now,
  print = console.log,
}: DemoOptions): Demo {
  const folder = openFolder(dir);
  const site = siteOf(tls);
  const store = sqliteStore({ path: folder.database, audit: true });
  // The same file by a connection of our own: psession's tables and the demo's are independent.
  const database = new DatabaseSync(folder.database, { timeout: 1000 });
  const clock = new DemoClock(database);
  const psession = createPsession({
    store,
    keys: [folder.key],
    clock,
    // By which sign-ins know their browser again, and nobody is kept waiting by guesses from elsewhere.
    devices: { place: madeUpPlace, detectNew: true },
    // Deadlines are kept to the second without it, unless a lab moves the clock.
    onEnd: { poll: "1s" },
    // Browsers bind sessions over https only.
    ...(tls === undefined ? FOR_HTTP : { deviceBound: {} }),
  });
  const users = new Users(database);
  const attempts = makeAttempts(psession, database, clock);
  const outbox = new Outbox(print);
  // Only to the mailbox: a page that says it may be the thief's.
  psession.on("theft", (event) => {
    const to = users.find(event.userId)?.email;
    const { text } = theftNotice(event, { site: "psession demo" });
    if (to !== undefined) outbox.send({ to, at: event.at, text });
  });
  const parts: Parts = {
    site,
    psession,
    clock,
    users,
    credentials: new Credentials(users, attempts),
    attempts,
    otp: new Otp(database, attempts, authenticatorTime),
    passkeys: new Passkeys(database),
    resets: new Resets(database, clock),
    outbox,
    billing: new Billing(database),
    events: new EventLog(psession),
  };
  return {
    app: buildApp(parts, log),
    psession,
    clock,
    async close() {
      await psession.close();
      database.close();
    },
  };
}

function buildApp(parts: Parts, log: (error: unknown) => void): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(securityHeaders);
  app.use("/assets/webauthn", express.static(WEBAUTHN_DIR, { index: false }));
  app.use("/assets", express.static(PUBLIC_DIR, { index: false }));
  app.use(noStore);
  app.use(originCheck());
  const parsers = [
    express.urlencoded({ extended: false, limit: BODY_LIMIT }),
    express.json({ limit: BODY_LIMIT }),
  ];
  const lab = new Lab(parts.psession, parts.site);
  // Before the sessions: watching the lab must not count as a visit.
  app.use("/lab", parsers);
  app.use(labRoutes(parts, lab));
  app.use(sessions(parts.psession));
  // Before visits are noted: a page that is open is none.
  app.use(openPageRoutes(parts, lab));
  // After the sessions: psession decides about a request when its head arrives, not its body.
  app.use(parsers, noteVisits(parts, lab));
  app.use(homeRoutes(parts), accountRoutes(parts), codeRoutes(parts));
  app.use(passwordRoutes(parts), emailRoutes(parts), resetRoutes(parts));
  app.use(securityRoutes(parts), passkeyRoutes(parts), proofRoutes(parts));
  app.use(deviceRoutes(parts), privacyRoutes(parts), billingRoutes(parts), supportRoutes(parts));
  app.use("/api/devices", devices());
  app.use(notFound);
  app.use(answerError(parts, log));
  return app;
}
