/** Checked by the compiler: what programs in TypeScript write, with one changed import. */
import type { Request, Response } from "express";
import express from "express";
import type { AuthenticationClaims, EndsAt, Pending, ProvedMethod } from "psession";
import { requireLogin, requirePending, requireProofs } from "psession/express";
import session, { type SessionData, type SessionOptions, Store } from "psession/express-session";

declare module "psession/express-session" {
  interface SessionData {
    views?: number;
    user?: { id: number };
  }
}

const options: SessionOptions = { secret: "keyboard cat", resave: false, cookie: { secure: "auto" } };
const again: session.SessionOptions = options;

class MyStore extends Store {
  get(_id: string, callback: (error: unknown, session?: SessionData | null) => void): void {
    callback(null, null);
  }
  set(_id: string, _session: SessionData, callback?: (error?: unknown) => void): void {
    callback?.();
  }
  destroy(_id: string, callback?: (error?: unknown) => void): void {
    callback?.();
  }
}

const app = express();
app.use(session({ ...again, store: new MyStore() }), requireLogin());
app.get("/", (request: Request, response: Response) => {
  request.session.views = (request.session.views ?? 0) + 1;
  const id: string = request.sessionID;
  const user: number | undefined = request.session.user?.id;
  request.session.cookie.maxAge = 60_000;
  request.session.regenerate((error) => {
    request.session.save(() => response.json({ id, user, error }));
  });
  void request.session.login(7, { remember: { for: "7d" }, idle: "15m", absolute: "1h", method: "password" });
  // @ts-expect-error: no such data.
  request.session.nothing;
});
app.post("/steps", requirePending(), requireProofs("aal2"), async (request: Request) => {
  const { session } = request;
  await session.begin(7, { for: "2m", method: "password", carry: "none" });
  const pending: Pending | undefined = session.pending;
  const result: "signed_in" | "too_many_devices" = await session.complete({ method: "otp" });
  await session.prove("otp");
  await session.trust({ for: "30d" });
  const trusted: boolean[] = [
    await session.isTrusted(),
    await session.isTrusted(7),
    await session.distrust(),
  ];
  const ends: EndsAt = await session.endsAt();
  session.extend();
  session.bePassive();
  const proofs: readonly ProvedMethod[] = session.proofs;
  const claims: AuthenticationClaims = session.claims;
  // @ts-expect-error: methods are text
  await session.prove(2);
  // @ts-expect-error: no such option
  await session.begin(7, { idle: "1m" });
  return [pending, result, trusted, ends, proofs, claims];
});
new session.MemoryStore();
