import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import express5 from "express";
// @ts-expect-error: Express 4 is here under another name, without types of its own.
import express4 from "express4";
import { memoryStore, type Store } from "../../../src/index.ts";
import session, { type SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HttpClient, serve } from "../../support/http.ts";

const require = createRequire(import.meta.url);

/** Without its types: they say of the whole program what `req.session` is. */
export type Middleware = (options: SessionOptions) => ReturnType<typeof session>;
export const original = require("express-session") as typeof session;
export { session as ours };

export const WEAK = "keyboard cat";
export const STRONG = "n8Rk2Vw5Zq9Tb3Xy7Lc1Md4Pf6Hg0JsE";

export type Express = ReturnType<typeof express5>;
export const EXPRESSES: [string, () => Express][] = [
  ["Express 5", express5],
  ["Express 4", express4 as () => Express],
];

// biome-ignore lint/suspicious/noExplicitAny: handlers run on two libraries with types of their own.
export type Any = any;

/** A callback store over text, as stores over a database are, which notes its calls. */
export class NotedStore extends EventEmitter {
  readonly calls: string[] = [];
  readonly rows = new Map<string, string>();
  generate: Any;
  /** Whoever is in here is called in place of the method. */
  readonly instead: Partial<Record<"get" | "set" | "destroy" | "touch", (...values: Any[]) => void>> = {};
  createSession = original.Store.prototype.createSession as Any;
  regenerate = original.Store.prototype.regenerate as Any;
  load = original.Store.prototype.load as Any;

  get(id: string, done: Any): void {
    this.calls.push("get");
    if (this.instead.get) return this.instead.get(id, done);
    const text = this.rows.get(id);
    setImmediate(done, null, text === undefined ? undefined : JSON.parse(text));
  }

  set(id: string, data: object, done: Any = () => {}): void {
    this.calls.push("set");
    if (this.instead.set) return this.instead.set(id, data, done);
    this.rows.set(id, JSON.stringify(data));
    setImmediate(done);
  }

  destroy(id: string, done: Any = () => {}): void {
    this.calls.push("destroy");
    if (this.instead.destroy) return this.instead.destroy(id, done);
    this.rows.delete(id);
    setImmediate(done);
  }

  touch(id: string, data: { cookie: object }, done: Any = () => {}): void {
    this.calls.push("touch");
    if (this.instead.touch) return this.instead.touch(id, data, done);
    const text = this.rows.get(id);
    if (text !== undefined) this.rows.set(id, JSON.stringify({ ...JSON.parse(text), cookie: data.cookie }));
    setImmediate(done);
  }

  taken(): string[] {
    return this.calls.splice(0);
  }

  data(): Record<string, unknown>[] {
    return [...this.rows.values()].map((text) => JSON.parse(text));
  }
}

export const USUAL = { secret: WEAK, resave: false, saveUninitialized: false } as const;

/** The same app on one of the two, over loopback. */
export async function start(
  middleware: Middleware,
  options: SessionOptions,
  define: (app: Express) => void,
  makeExpress: () => Express = express5,
): Promise<HttpClient> {
  const app = makeExpress();
  app.use(middleware({ ...USUAL, ...options }) as Any);
  define(app);
  app.use(((error: Any, _request: Any, response: Any, next: Any) => {
    if (response.headersSent) return next(error);
    response.status(error.status ?? 500).json({ code: error.code ?? "other", message: error.message });
  }) as Any);
  return new HttpClient(await serve(app as Any));
}

/** The two kinds of backend behind ours, and the original. */
export const SIDES: [string, Middleware, () => SessionOptions][] = [
  ["express-session", original, () => ({ store: new NotedStore() })],
  ["ours on its store", session, () => ({ store: new NotedStore() })],
  ["ours on a psession store", session, () => ({ store: memoryStore() as Store, secret: STRONG })],
];
