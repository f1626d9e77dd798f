import type { RequestState } from "../../src/request/state.ts";
import type { Library } from "./library.ts";

/** What the application does in a request. */
export type Handler =
  | "read"
  /** Of whoever is signed in. */
  | "write"
  /** Of anybody: a message for a visitor, say. */
  | "visit"
  | "reauthenticate"
  | "regenerate"
  | "logout"
  | "login"
  | "login without the tick"
  | "login of Bob"
  | "login of Bob without the tick"
  | "renew"
  /** `passwordChanged`, keeping this session. */
  | "change the password"
  /** By a link in a mail: `passwordChanged`, then a sign-in. */
  | "reset the password";

interface SignIn {
  readonly user: "ada" | "bob";
  readonly remember: boolean;
}

const SIGN_INS: Partial<Record<Handler, SignIn>> = {
  login: { user: "ada", remember: true },
  "login without the tick": { user: "ada", remember: false },
  "login of Bob": { user: "bob", remember: true },
  "login of Bob without the tick": { user: "bob", remember: false },
  "reset the password": { user: "ada", remember: true },
};

export const signInOf = (handler: Handler): SignIn | undefined => SIGN_INS[handler];

/** After these whoever holds the old secret has nothing any more. */
const FENCING: ReadonlySet<Handler> = new Set(["reauthenticate", "renew", "change the password"]);

export const isFencing = (handler: Handler): boolean =>
  FENCING.has(handler) || signInOf(handler) !== undefined;

/** These call the store before their handler goes on, and so a step after the request was let in. */
const ASKING: ReadonlySet<Handler> = new Set([
  "reauthenticate",
  "renew",
  "change the password",
  "reset the password",
]);

export const asksTheStore = (handler: Handler): boolean => ASKING.has(handler);

interface Handling {
  readonly library: Library;
  readonly psession: InstanceType<Library["Psession"]>;
  readonly state: RequestState;
  /** Of the data, the key that it writes. */
  readonly slot: number;
  readonly id: number;
}

export async function handle(
  handler: Handler,
  { library, psession, state, slot, id }: Handling,
): Promise<void> {
  const session = new library.Session<Record<string, number>>(state);
  const signIn = signInOf(handler);
  if (signIn !== undefined) {
    await library.runInRequest(state.request, async () => {
      if (handler === "reset the password") await psession.passwordChanged(signIn.user);
      await session.login(signIn.user, { remember: signIn.remember });
    });
    return;
  }
  if (handler === "logout") return session.logout();
  if (handler === "visit") session.set(`slot${slot}`, id);
  if (!session.isSignedIn) return;
  if (handler === "write") session.set(`slot${slot}`, id);
  if (handler === "reauthenticate") await session.reauthenticate();
  if (handler === "regenerate") await session.regenerate();
  if (handler === "renew") await session.renew();
  if (handler === "change the password" && session.userId !== undefined)
    await psession.passwordChanged(session.userId, { keep: session });
}
