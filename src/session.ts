import { inspect } from "node:util";
import { type Device, endDevices, listDevices, nameDevice } from "./account/devices.ts";
import { refuseAssignments } from "./checks/assignments.ts";
import { refuseCallbacks } from "./checks/callbacks.ts";
import { isHandle } from "./checks/given.ts";
import type { DataRecord } from "./data/codec.ts";
import type { Flash } from "./data/flash.ts";
import { assertKey, refuseTopKey, valuesByKey } from "./data/keys.ts";
import { getPath, pullPath, pushPath, removePath, setPath } from "./data/paths.ts";
import type { StateOptions } from "./data/states.ts";
import type { TempData } from "./data/temp.ts";
import type { SessionData } from "./data/typing.ts";
import type { Outcome } from "./protocol/outcome.ts";
import { isAlive } from "./request/alive.ts";
import { csrfToken, flashOf, isCsrfToken, newState, takeState, tempOf } from "./request/asides.ts";
import type { Carry, Keep, PreviousSession } from "./request/carry.ts";
import { onEnd } from "./request/endings.ts";
import { exclusive } from "./request/exclusive.ts";
import type { Freshness, LoginOptions, LoginResult, ProofOptions } from "./request/intents.ts";
import * as intents from "./request/intents.ts";
import { reload, save, update } from "./request/save.ts";
import * as standing from "./request/standing.ts";
import {
  type Core,
  identityOf,
  isChanged,
  type RequestState,
  sessionOf,
  type Writing,
} from "./request/state.ts";
import { look, signedIn, usable, use } from "./request/use.ts";
import type { Level, UserId } from "./stores/store.ts";
import type { LockOptions } from "./upkeep/locks.ts";

export type { Carry, Freshness, Keep, LoginOptions, LoginResult, PreviousSession, ProofOptions };

/** The visitor's session, as handlers see it. Changes are saved together when the response begins. */
export class Session<Data extends object = SessionData> {
  readonly #state: Writing<"isGuarded" | "destroyed">;

  /** @internal */
  constructor(state: RequestState) {
    this.#state = state;
  }

  /** The row's id: stays the same for the session's life, safe to show, worthless as a credential. */
  get id(): string {
    return standing.idOf(look(this.#state));
  }

  /** What device lists show and `revoke` takes: the remembered login's id, or the session's. */
  get handle(): string {
    return standing.handleOf(look(this.#state));
  }

  /**
   * The id of the remembered login whose cookie this browser presents, whatever became of that login; undefined
   * without such a cookie, or with a forged one.
   */
  get presentedHandle(): string | undefined {
    const { rememberCookie } = look(this.#state);
    return rememberCookie.kind === "valid" ? rememberCookie.cookie.id : undefined;
  }

  /** @internal For `findSession` of psession/kysely. */
  get core(): Core {
    return this.#state.core;
  }

  /** @internal */
  static stateOf(session: Session<object>): RequestState {
    return session.#state;
  }

  get userId(): UserId | undefined {
    return identityOf(look(this.#state)).userId;
  }

  get isSignedIn(): boolean {
    return this.userId !== undefined;
  }

  get level(): Level {
    return identityOf(look(this.#state)).level;
  }

  /** True where a remember cookie brought the user back and no credential was proved since. */
  get isPersistent(): boolean {
    return this.level === "remembered";
  }

  /** When a credential was last proved, in epoch milliseconds. A restore does not change it. */
  get authenticatedAt(): number | undefined {
    return identityOf(look(this.#state)).authenticatedAt;
  }

  /** True until the session is stored, which its first change causes. */
  get isNew(): boolean {
    return sessionOf(look(this.#state).standing) === undefined;
  }

  /** What became of the request's cookies. Show visitors no more than whether they are signed in. */
  get outcome(): Outcome {
    return look(this.#state).outcome;
  }

  /** @internal The presented secret was replaced long ago, and its session lives. */
  get isOutdated(): boolean {
    return standing.isOutdated(this.#state);
  }

  /** @internal A guard let the request through: the content behind it is for this visitor only. */
  noteGuard(): void {
    look(this.#state);
    this.#state.isGuarded = true;
  }

  /** @internal True where the handler asked for something that has not been stored yet. */
  get hasChanges(): boolean {
    return isChanged(this.#state);
  }

  /** The data. Change it in place, however deep: differences are found when the response begins. */
  get data(): Partial<Data> {
    return use(this.#state).value as Partial<Data>;
  }

  /** Messages that are shown once, such as "Saved." after a redirect. */
  get flash(): Flash {
    return flashOf(this.#state);
  }

  /** Values with a lifetime of their own, such as a code that was sent. */
  get temp(): TempData {
    return tempOf(this.#state);
  }

  /**
   * A token for forms and scripts of this session, for applications that want one besides the origin check
   * (ASVS 3.5.1). Another text each time, all of them valid until the next sign-in or sign-out. Asking stores the session.
   */
  csrfToken(): string {
    return csrfToken(this.#state);
  }

  /** Whether a request may change something by the token that it brought, from wherever the application put it. */
  isCsrfToken(token: unknown): boolean {
    return isCsrfToken(this.#state, token);
  }

  /**
   * A random value for a sign-in elsewhere that this session begins: the `state` of OAuth and OpenID Connect, the
   * `RelayState` of SAML. It counts once, in this session, for ten minutes unless `lifetime` says otherwise, and until the
   * next sign-in or sign-out; the newest ten count. Asking stores the session.
   */
  newState(options: StateOptions = {}): string {
    return newState(this.#state, options);
  }

  /**
   * Whether this session began the sign-in that comes back with `state`. True once, whatever becomes of the sign-in and
   * however many requests bring it at the same time.
   */
  async takeState(state: unknown): Promise<boolean> {
    return takeState(this.#state, state);
  }

  /** One value by key or dot path ("address.city"); undefined where there is none. */
  get<K extends keyof Data & string>(key: K): Data[K] | undefined;
  get(path: string): unknown;
  get(path: string): unknown {
    return getPath(this.#record, path);
  }

  /** Sets one value by key or dot path, making the objects on the way, or several values at once. */
  set<K extends keyof Data & string>(key: K, value: Data[K]): void;
  set(path: string, value: unknown): void;
  set(values: Partial<Data>): void;
  set(target: string | Partial<Data>, value?: unknown): void {
    const entries = valuesByKey("session.set", target, value);
    use(this.#state).assertStorable(Object.fromEntries(entries));
    for (const [path, item] of entries) setPath(this.#record, path, item);
  }

  has(path: string): boolean {
    return getPath(this.#record, path) !== undefined;
  }

  /** Adds to the end of a list, which is made where it is missing. */
  push(path: string, ...items: unknown[]): void {
    assertKey(path);
    use(this.#state).assertStorable({ [path]: items });
    pushPath(this.#record, path, items);
  }

  /** Takes a value out: gives it, and removes it. */
  pull<K extends keyof Data & string>(key: K): Data[K] | undefined;
  pull(path: string): unknown;
  pull(path: string): unknown {
    return pullPath(this.#record, path);
  }

  remove(...paths: string[]): void {
    for (const path of paths) removePath(this.#record, path);
  }

  /**
   * Replaces the data, as `ctx.session = {…}` of Koa does; the user stays signed in. After the session was destroyed,
   * the data is that of a new one. @internal
   */
  replaceData(values: DataRecord): void {
    const { data } = this.#state;
    data.assertStorable(values);
    for (const key of Object.keys(values)) refuseTopKey(key);
    this.#state.destroyed = false;
    use(this.#state).replaceValue(values);
  }

  /**
   * Reads, changes and writes the data as one atomic step. `change` is run again where another request was
   * faster, so it must do nothing else, and return at once. The change is stored when
   * this returns; if it throws, nothing was changed (`session_ended` where the session has ended).
   */
  async update<R>(change: (data: Partial<Data>) => R): Promise<R> {
    return update(usable(this.#state), change);
  }

  /**
   * From here until the response begins, one request of this session at a time: others that call this wait,
   * then see what this one saved. `lock_timeout` (503) where that takes longer than `wait`; `session_ended` (401)
   * where the user was signed out meanwhile. For guarantees use `update`: a lock expires after `hold`.
   */
  async exclusive(options: LockOptions = {}): Promise<void> {
    use(this.#state);
    await exclusive(this.#state, options);
  }

  /**
   * Stores data, sign-in or logout now instead of when the response begins, and throws here if that fails:
   * then a sign-in is taken back. Secrets are still exchanged with the response, which carries them.
   */
  async save(): Promise<void> {
    await save(usable(this.#state));
  }

  /**
   * Reads the data again, as it is stored now, and forgets unsaved changes: all data, where nothing was stored yet.
   * Throws `session_ended` where the session has ended.
   */
  async reload(): Promise<void> {
    await reload(usable(this.#state));
  }

  /**
   * Signs in a user after the application has checked the credentials. The session gets a new secret, so
   * that one planted before is worthless (OWASP SESS-03), and a remembered login that this browser had ends. It is
   * stored with the response; at once where it may be refused (option `devices.overflow`): then look at the result.
   */
  async login(userId: UserId, options: LoginOptions<Data> = {}): Promise<LoginResult> {
    return intents.login(usable(this.#state), userId, options);
  }

  /** @internal What is set from here on belongs to the sign-in that follows, and is taken back with it. */
  setCheckpoint(): void {
    standing.setCheckpoint(this.#state);
  }

  /** @internal */
  takeBack(): void {
    standing.takeBack(this.#state);
  }

  /**
   * The user proved a credential again: level `login`, a new `authenticatedAt`, a new secret, and deadlines from now on,
   * though not beyond the remembered login's. Throws `proof_outdated` (401) as a sign-in does.
   */
  async reauthenticate(options: ProofOptions = {}): Promise<void> {
    await intents.reauthenticate(this.#state, options);
  }

  /** @internal Takes over a sign-in that another library had kept; no credential was proved now, so it is never fresh. */
  takeOver(userId: UserId): void {
    intents.takeOver(this.#state, userId);
  }

  /**
   * Exchanges the secret and keeps everything else, or of the data what `keep` says. Requests on their way with
   * the old secret are still served.
   */
  async regenerate(options: { keep?: Keep<Data> } = {}): Promise<void> {
    intents.regenerate(usable(this.#state), options);
  }

  /**
   * As `regenerate`, but the old secret gets nothing: an attacker may have planted it, and the session may hold
   * a sign-in that psession does not know of. @internal
   */
  replaceSecret(): void {
    intents.replaceSecret(usable(this.#state));
  }

  /**
   * New secrets for the session and its remembered login, at the same level and with the same deadlines: copies of the
   * cookies become worthless. The login gets one only where the request presented its current token, so that a copied
   * session cookie yields no remember cookie.
   */
  async renew(): Promise<void> {
    await intents.renew(this.#state, false);
  }

  /**
   * Begins a new, anonymous session where the browser's own cannot be used in this request: its address or browser
   * differs, its secret was replaced, or another site sent the request and the
   * browser has withheld its cookies. For login pages, which need to keep a CSRF token or the state of a sign-in
   * elsewhere. Does nothing where the session can be used. The other session is not ended.
   */
  startAnew(): void {
    standing.startAnew(usable(this.#state));
  }

  /** Ends session and remembered login, clears the cookies. What is set afterwards goes to a new, anonymous session. */
  async logout(): Promise<void> {
    standing.leave(usable(this.#state));
  }

  /** As `logout`, and the session cannot be used in this request any more. */
  async destroy(): Promise<void> {
    const ended = this.logout();
    // At once: what is assigned in its place in the same turn is not destroyed with it.
    this.#state.destroyed = true;
    await ended;
  }

  /** True where a credential was proved that recently. A restored session is never fresh. */
  isFresh(options: Freshness): boolean {
    return intents.isFresh(look(this.#state), options);
  }

  /**
   * Whether the session is still there, by one read: for answers that last, such as server-sent events. Not logged out
   * or revoked, in whatever process, not past its deadlines, not given to another sign-in. False where there is none.
   */
  async isAlive(): Promise<boolean> {
    return isAlive(look(this.#state));
  }

  /**
   * Calls `listener` once when this process ends the session. Ends by other processes or deadlines do not call it:
   * check `isAlive` before what matters, and now and then. Returns the function that stops listening, to be
   * called when the connection closes.
   */
  onEnd(listener: () => void): () => void {
    return onEnd(look(this.#state), listener);
  }

  /** The user's devices: every remembered login and live session, this one marked. */
  async devices(): Promise<Device[]> {
    return listDevices(this.#state.core, signedIn(this.#state), this);
  }

  /**
   * Gives one of this user's devices a name that the user recognises: text of at most 100 characters, trimmed;
   * undefined or "" takes it away. False where the user has no such device, or where it is yet to be stored.
   */
  async nameDevice(handle: string, name: string | undefined): Promise<boolean> {
    return nameDevice(this.#state.core, { handle, userId: signedIn(this.#state) }, name);
  }

  /** Ends one of this user's devices. False where the user has no such device. */
  async revoke(handle: string): Promise<boolean> {
    const userId = signedIn(this.#state);
    if (!isHandle("revoke", handle)) return false;
    if (handle === this.handle || handle === this.id) {
      await this.logout();
      return true;
    }
    return (await endDevices(this.#state.core, { handle, userId }, "revoked")) > 0;
  }

  /** Ends all other devices of this user; says how many. */
  async revokeOthers(): Promise<number> {
    const whom = { userId: signedIn(this.#state), except: standing.anchorOf(this.#state) };
    return endDevices(this.#state.core, whom, "revoked");
  }

  toJSON(): object {
    return standing.described(look(this.#state));
  }

  /** A log is no answer: it does not count as looked at. */
  [inspect.custom](): string {
    return `Session ${inspect(standing.described(this.#state))}`;
  }

  get #record(): DataRecord {
    return this.data as DataRecord;
  }
}

refuseAssignments(Session.prototype);
refuseCallbacks(Session.prototype, ["save", "reload", "regenerate", "renew", "logout", "destroy"]);
