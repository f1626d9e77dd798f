import { Events, type PsessionEvents } from "../../../events.ts";
import { warn } from "../../../telemetry/warnings.ts";
import type { CallbackStore } from "../callback-store.ts";
import { Cookie, type CookieOptions } from "../cookie.ts";
import { hashedId } from "../ids.ts";
import { openSessionOf } from "../open-session.ts";
import type { Settings } from "../options.ts";
import { isSecure, type SessionRequest } from "../request.ts";
import type { Secret } from "../signature.ts";
import { MemoryOf } from "./memory-of.ts";
import { PromisedStore, unavailable } from "./promised-store.ts";

/** Requests sent before a new cookie reached the browser arrive within this time, in milliseconds. */
const GRACE = 10_000;
const REMEMBERED_IDS = 10_000;

/** Shared by all requests with sessions in the application's own store. */
export class OwnStoreContext {
  readonly settings: Settings;
  readonly store: PromisedStore;
  readonly sessionStore: CallbackStore;
  readonly #replaced = new MemoryOf<number>(REMEMBERED_IDS);
  readonly #touched = new MemoryOf<number>(REMEMBERED_IDS);
  readonly #events = new Events();
  #hasWarned = false;

  constructor(settings: Settings) {
    this.settings = settings;
    this.sessionStore = settings.store as CallbackStore;
    this.store = new PromisedStore(this.sessionStore, settings);
    this.store.watch();
    // For applications that call the store's own `regenerate`.
    Object.assign(this.sessionStore, { generate: (request: object) => openSessionOf(request)?.generate() });
  }

  get caching(): "protect" | "off" {
    return this.settings.caching;
  }

  assertReady(request: SessionRequest): void {
    if (this.secretsFor(request).length === 0) throw new Error("The secret option is required for sessions.");
    if (!this.store.isConnected) throw unavailable("be reached: it said that it is disconnected");
  }

  /** cookie-parser sets `request.secret`. */
  secretsFor(request: SessionRequest): readonly Secret[] {
    const { secrets } = this.settings;
    return secrets.length > 0 || !request.secret ? secrets : [request.secret as Secret];
  }

  newCookie(request: SessionRequest): Cookie {
    const options = this.settings.cookie(request);
    const secure = isSecure(request, this.settings.proxy);
    const { sameSite } = options;
    return new Cookie({
      ...options,
      ...(options.secure === "auto" ? { secure } : {}),
      ...(sameSite === "auto" ? { sameSite: secure ? "none" : "lax" } : {}),
    } satisfies CookieOptions);
  }

  /** Whether the browser would get a cookie. It warns, as express-session's silence has cost people days. */
  canDeliver(request: SessionRequest, cookie: Cookie): boolean {
    if (!cookie.secure || isSecure(request, this.settings.proxy)) return true;
    this.#warn("was not sent: cookie.secure is set");
    return false;
  }

  /** express-session sends it without a warning: usually the proxy is not trusted, and every cookie lacks Secure. */
  noteSent(request: SessionRequest, cookie: Cookie): void {
    if (cookie.secure || this.#hasWarned || process.env["NODE_ENV"] !== "production") return;
    if (this.settings.cookie(request).secure !== "auto") return;
    this.#warn('was sent without Secure: cookie.secure is "auto"');
  }

  #warn(what: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    warn(
      "PSESSION_INSECURE_TRANSPORT",
      `A session cookie ${what}, and the request came over plain http as far as can be seen. Behind a proxy that ` +
        "speaks https, trust it (Express: app.set('trust proxy', 1); or the option proxy).",
    );
  }

  /** Ids are credentials here: events name their hash. */
  emit<K extends "mergeConflict" | "saveDiscarded">(
    type: K,
    id: string,
    facts: Partial<PsessionEvents[K]>,
  ): void {
    const event = { at: Date.now(), sessionId: hashedId(id), userId: undefined, ...facts };
    this.#events.emit(type, event as unknown as PsessionEvents[K]);
  }

  /** The browser with this id is getting another one. */
  replaced(id: string): void {
    this.#replaced.set(id, Date.now());
  }

  wasReplaced(id: string): boolean {
    const at = this.#replaced.get(id);
    return at !== undefined && Date.now() - at <= GRACE;
  }

  isTouchDue(id: string): boolean {
    const { touchEvery } = this.settings;
    if (touchEvery === undefined) return true;
    const at = this.#touched.get(id);
    return at === undefined || Date.now() - at >= touchEvery;
  }

  touched(id: string): void {
    if (this.settings.touchEvery !== undefined) this.#touched.set(id, Date.now());
  }
}
