import type { SessionData } from "../../data/typing.ts";
import { signIn } from "../../integration/identity.ts";
import type { Carry } from "../../request/carry.ts";
import type { Session } from "../../session.ts";
import type { UserId } from "../../stores/store.ts";
import { type KoaContext, type KoaMiddleware, openedIn } from "./context.ts";

/** How sign-ins of Passport become those of psession. */
export interface PassportOptions {
  /** The user's id in what `serializeUser` gives. Default: that is the id. */
  userId?: ((serialized: unknown) => UserId) | undefined;
  /** Whether to remember this sign-in, such as `(ctx) => ctx.request.body.remember === "on"`. Default: no. */
  // biome-ignore lint/suspicious/noExplicitAny: the application knows what its body parser puts there.
  remember?: ((ctx: any) => boolean) | undefined;
  /** Which data of the anonymous session a sign-in keeps. Default: "all". */
  carry?: Carry<SessionData> | undefined;
}

type Callback = (error?: unknown) => void;

/**
 * For koa-passport: its `ctx.login()` and `ctx.logout()` become sign-ins and logouts of psession. Put it
 * between `sessions(psession)` and `passport.initialize()`.
 */
export function passportSessions(options: PassportOptions = {}): KoaMiddleware {
  return async (ctx, next) => {
    const session = await openedIn(ctx);
    // koa-passport reads `req.session` before `ctx.session`, which stays psession's own.
    Object.assign(ctx.req, { session: passportView(session, ctx, options) });
    return next();
  };
}

/**
 * The session as Passport expects it: the user under `passport`, `regenerate` and `save` with callbacks, and every
 * other key, such as the state that OAuth strategies keep, in the data.
 */
function passportView(session: Session, ctx: KoaContext, options: PassportOptions): object {
  const { userId = (serialized) => serialized as UserId, remember, carry } = options;
  const data = () => session.data as Record<PropertyKey, unknown>;
  const passport: { user?: unknown } = session.isSignedIn ? { user: userOf() } : {};
  let isSigningIn = false;

  const save = async () => {
    const { user } = passport;
    if (user === undefined) return session.isSignedIn ? session.logout() : undefined;
    if (!isSigningIn) return;
    isSigningIn = false;
    const id = userId(user);
    await signIn(session, id, {
      remember: remember?.(ctx) ?? false,
      ...(carry === undefined ? {} : { carry }),
    });
    if (id === user) session.remove("passport");
    else data()["passport"] = { user };
  };
  const own: Record<PropertyKey, unknown> = {
    passport,
    // Passport calls it first in a sign-in and last in a logout, which bring a new secret themselves.
    regenerate: (callback: Callback) => {
      isSigningIn = true;
      callback();
    },
    save: (callback: Callback) => void save().then(() => callback(), callback),
  };
  // The data counts only if it names the signed-in user: another user's sign-in may have carried it along.
  function userOf(): unknown {
    const kept = (data()["passport"] as { user?: unknown } | undefined)?.user;
    const isSame = kept !== undefined && String(userId(kept)) === String(session.userId);
    return isSame ? structuredClone(kept) : session.userId;
  }
  return new Proxy(own, {
    has: (_, name) => name in own || Object.hasOwn(data(), name),
    get: (_, name) => (name in own ? own[name] : data()[name]),
    set: (_, name, value) => {
      if (!(name in own)) data()[name] = value;
      return true;
    },
    deleteProperty: (_, name) => Reflect.deleteProperty(data(), name),
  });
}
