import type { RequestState } from "../../../src/request/state.ts";
import type { Library } from "../library.ts";
import type { StoreCall } from "../rows.ts";

/** What the application does in a request around an account. */
export type Act =
  | "read"
  /** In the session's data, whoever it is of. */
  | "write"
  | "begin"
  | "begin for Bob"
  | "complete"
  | "complete without the tick"
  | "login"
  | "login of Bob"
  /** A browser that is trusted needs no second step. */
  | "begin, and complete if trusted"
  | "complete and trust"
  | "trust"
  | "confirm and trust"
  | "is it trusted"
  | "is it trusted by Bob"
  | "distrust"
  | "renew"
  /** `passwordChanged`, keeping this session. */
  | "change the password"
  /** The same of another factor. */
  | "change a factor"
  | "logout"
  | "extend"
  /** A page that asks again and again, and is no use of its session. */
  | "poll"
  | "poll and write"
  /** Ada is support, and Bob a customer. */
  | "act as Bob"
  | "stop acting"
  /** A handler that is busy before it does so. */
  | "stop acting after a while"
  | "is it trusted, and distrust after a while"
  /** Erases her, and signs out, as a page for it does. */
  | "delete the account";

/** What is done without a browser, or on another device. */
export type Order =
  | "the user is revoked"
  | "the password is changed elsewhere"
  | "a factor is changed elsewhere"
  | "the device is revoked"
  | "Bob is revoked"
  | "the user is erased"
  /** Event and time stay in the audit trail. */
  | "the user is erased under a pseudonym"
  | "Bob is erased";

export type User = "ada" | "bob";

/** How long the second step may take, and for how long a browser is trusted, in ticks. */
export const STEP = 4;
export const TRUST = 12;
/** How long Ada may act as Bob. */
export const ACTING = 3;

interface SignIn {
  readonly user: User;
  /** By a credential of its own, or as the second step of one that has begun. */
  readonly kind: "begins" | "completes" | "signs in" | "does both";
}

const SIGN_INS: Partial<Record<Act, SignIn>> = {
  begin: { user: "ada", kind: "begins" },
  "begin for Bob": { user: "bob", kind: "begins" },
  complete: { user: "ada", kind: "completes" },
  "complete without the tick": { user: "ada", kind: "completes" },
  "complete and trust": { user: "ada", kind: "completes" },
  login: { user: "ada", kind: "signs in" },
  "login of Bob": { user: "bob", kind: "signs in" },
  "begin, and complete if trusted": { user: "ada", kind: "does both" },
};

export const signInOf = (act: Act): SignIn | undefined => SIGN_INS[act];

const POLLS: ReadonlySet<Act> = new Set(["poll", "poll and write"]);
const RENEWALS: ReadonlySet<Act> = new Set([
  ...(["renew", "change the password", "change a factor", "confirm and trust"] as const),
]);
const ORDERS: ReadonlySet<string> = new Set<Order>([
  "the user is revoked",
  "the password is changed elsewhere",
  "a factor is changed elsewhere",
  "the device is revoked",
  "Bob is revoked",
  "the user is erased",
  "the user is erased under a pseudonym",
  "Bob is erased",
]);

export const isPoll = (act: Act | Order): boolean => POLLS.has(act as Act);
/** After these the secret of before gets nothing, and the device is the same. */
export const isRenewal = (act: Act | Order): boolean => RENEWALS.has(act as Act);
/** Whose devices or data an order is about. */
export const userOf = (act: Act | Order): User =>
  act === "Bob is revoked" || act === "Bob is erased" ? "bob" : "ada";
export const isOrder = (act: Act | Order): act is Order => ORDERS.has(act);

/** What a request was told, which its promises are about. */
export interface Told {
  trusted?: boolean;
  /** Of the error that it met. */
  code?: string;
  hasEnded?: boolean;
}

type Service = InstanceType<Library["Psession"]>;

interface Acting {
  readonly library: Library;
  readonly psession: Service;
  readonly state: RequestState;
  readonly id: number;
  readonly told: Told;
}

export async function perform(act: Act, { library, psession, state, id, told }: Acting): Promise<void> {
  const session = new library.Session<Record<string, number>>(state);
  const isAda = session.userId === "ada";
  switch (act) {
    case "write":
    case "poll and write":
      return session.set(`by${id}`, id);
    case "begin":
      return session.begin("ada", { method: "password", remember: true, for: STEP });
    case "begin for Bob":
      return session.begin("bob", { method: "password", for: STEP });
    case "complete":
      return void (await session.complete({ method: "otp" }));
    case "complete without the tick":
      return void (await session.complete({ method: "otp", remember: false }));
    case "complete and trust":
      await session.complete({ method: "otp" });
      return session.trust({ for: TRUST });
    case "login":
      return void (await session.login("ada", { method: "password", remember: true }));
    case "login of Bob":
      return void (await session.login("bob", { method: "password" }));
    case "begin, and complete if trusted":
      await session.begin("ada", { method: "password", for: STEP });
      told.trusted = await session.isTrusted();
      if (told.trusted) await session.complete();
      return;
    case "is it trusted":
      told.trusted = await session.isTrusted("ada");
      return;
    case "is it trusted by Bob":
      told.trusted = await session.isTrusted("bob");
      return;
    case "trust":
      if (isAda && session.level === "login") await session.trust({ for: TRUST });
      return;
    case "confirm and trust":
      if (!isAda) return;
      await session.reauthenticate();
      return session.trust({ for: TRUST });
    case "distrust":
      if (isAda) told.hasEnded = await session.distrust();
      return;
    case "renew":
      if (isAda) await session.renew();
      return;
    case "change the password":
      if (isAda) await psession.passwordChanged("ada", { keep: session });
      return;
    case "change a factor":
      if (isAda) await psession.passwordChanged("ada", { keep: session, factor: "otp" });
      return;
    case "logout":
      return session.logout();
    case "extend":
      if (isAda) session.extend();
      return;
    case "act as Bob":
      if (isAda && session.level === "login") await session.impersonate("bob", { reason: "r", for: ACTING });
      return;
    case "stop acting":
      told.hasEnded = await session.stopImpersonating();
      return;
    case "stop acting after a while":
      await aWhile(state);
      told.hasEnded = await session.stopImpersonating();
      return;
    case "is it trusted, and distrust after a while":
      if (!isAda) return;
      told.trusted = await session.isTrusted();
      await aWhile(state);
      told.hasEnded = await session.distrust();
      return;
    case "delete the account":
      if (!isAda) return;
      await psession.eraseUser("ada");
      return session.logout();
  }
}

const NOTHING = "nothing";

/** A read of nothing, in which time may pass. */
const aWhile = async ({ core }: RequestState) => void (await core.settings.store.findSession(NOTHING));
export const isAWhile = (call: StoreCall | undefined): boolean => call?.values[0] === NOTHING;

export async function obey(order: Order, psession: Service, handle: string, told: Told): Promise<void> {
  if (order === "the user is revoked") await psession.revokeUser("ada");
  if (order === "the password is changed elsewhere") await psession.passwordChanged("ada");
  if (order === "a factor is changed elsewhere") await psession.passwordChanged("ada", { factor: "otp" });
  if (order === "Bob is revoked") await psession.revokeUser("bob");
  if (order === "the user is erased") await psession.eraseUser("ada");
  if (order === "the user is erased under a pseudonym")
    await psession.eraseUser("ada", { audit: "pseudonym" });
  if (order === "Bob is erased") await psession.eraseUser("bob");
  if (order === "the device is revoked") told.hasEnded = await psession.revoke(handle);
}
