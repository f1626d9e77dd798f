import { invalidOptions } from "../checks/faults.ts";
import { assertOptions, isThenable } from "../checks/given.ts";
import { hasMethods } from "../checks/shape.ts";
import type { SessionData } from "../data/typing.ts";
import { PsessionError } from "../errors.ts";
import type { Psession } from "../psession.ts";
import { factsOf } from "../request/facts.ts";
import type { Session } from "../session.ts";
import type { UserId } from "../stores/store.ts";
import { type TestBrowser, testBrowser } from "./browser.ts";

/** How a test's visitor is signed in. */
export interface SignedInOptions<Data> {
  /** With a remembered login, as with the tick of the form. Default: false, but true for the level "remembered". */
  remember?: boolean;
  /** "remembered": the browser was closed, came back by its remember cookie, and proved nothing since. Default: "login". */
  level?: "login" | "remembered";
  /** What the session holds. */
  data?: Partial<Data>;
  /** As in `login`. */
  tag?: string;
  /** What the browser calls itself, for lists of devices and `session.bindUserAgent`. Default: nothing. */
  userAgent?: string;
  /** Where it is, for lists of devices and `session.matchAddress`. Default: "127.0.0.1". */
  address?: string;
}

const KNOWN = ["remember", "level", "data", "tag", "userAgent", "address"] as const;

/**
 * A browser in which this user is signed in, without a form: send its `cookie` along. The session is made by this
 * psession, on its own store, as a sign-in makes it, events included.
 */
export async function signedIn<Data extends object = SessionData>(
  psession: Psession<Data>,
  userId: UserId,
  options: SignedInOptions<Data> = {},
): Promise<TestBrowser> {
  assertPsession(psession);
  assertOptions("signedIn", options, KNOWN);
  const { level = "login", data, tag, userAgent, address = "127.0.0.1" } = options;
  const { remember = level === "remembered" } = options;
  const { clock, remember: rememberedLogins } = psession.core.settings;
  const faults: string[] = [];
  if (typeof remember !== "boolean") faults.push("remember must be true or false");
  else if (remember && !rememberedLogins.enabled)
    faults.push(
      "remember: this psession knows no remembered logins (its option remember.enabled, or preset)",
    );
  if (level !== "login" && level !== "remembered") faults.push('level must be "login" or "remembered"');
  else if (level === "remembered" && remember === false)
    faults.push('level "remembered" needs a remembered login: leave remember out');
  if (data !== undefined && (typeof data !== "object" || data === null || isThenable(data)))
    faults.push("data must be an object of keys and values");
  if (typeof address !== "string") faults.push("address must be text");
  if (userAgent !== undefined && typeof userAgent !== "string") faults.push("userAgent must be text");
  if (faults.length > 0) throw invalidOptions("signedIn", faults);

  const browser = testBrowser({ clock });
  const visit = async (handle: (session: Session<Data>) => Promise<void>) => {
    const headers: Record<string, string | undefined> = { cookie: browser.cookie, "user-agent": userAgent };
    const arrivedAt = clock.now();
    const facts = factsOf((name) => headers[name], { method: "POST", secure: true, address, arrivedAt });
    const exchange = psession.exchange(facts);
    await handle(await exchange.open());
    const { setCookie } = await exchange.commit();
    browser.receive({ headers: { "set-cookie": setCookie } });
  };
  await visit(async (session) => {
    if (data !== undefined) session.set(data);
    const result = await session.login(userId, { remember, tag });
    if (result !== "signed_in") throw refused();
  });
  if (level === "login") return browser;
  browser.restart();
  await visit(async () => {});
  return browser;
}

function assertPsession(value: unknown): void {
  // By its shape: test runners load modules anew, and then there are two classes of one name.
  if (hasMethods(value, ["exchange", "passwordChanged"])) return;
  throw new PsessionError(
    "invalid_options",
    "signedIn: psession must be what createPsession gives, or testPsession as `{ psession }`.",
  );
}

const refused = (): PsessionError =>
  new PsessionError(
    "too_many_devices",
    'signedIn: this user has as many devices as devices.max allows, and devices.overflow is "refuse".',
    { status: 403 },
  );
