/** Checked by the compiler: what programs in TypeScript write, with one changed import. */
import type { Request, Response } from "express";
import express from "express";
import { requireLogin } from "psession/express";
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
  void request.session.login(7, { remember: true });
  // @ts-expect-error: no such data.
  request.session.nothing;
});
new session.MemoryStore();
