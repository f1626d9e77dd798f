import { inspect } from "node:util";
import { type Device, endDevices, listDevices, nameDevice } from "./account/devices.ts";
import { refuseAssignments } from "./checks/assignments.ts";
import { refuseCallbacks } from "./checks/callbacks.ts";
import { type Duration, parseDuration } from "./checks/duration.ts";
import { assertFunction, assertOptions, assertText, forget, isHandle, isThenable } from "./checks/given.ts";
import { assertUserId } from "./checks/user-id.ts";
import { CSRF } from "./data/asides.ts";
import type { DataRecord } from "./data/codec.ts";
import { Flash } from "./data/flash.ts";
import { assertKey, refuseTopKey, valuesByKey } from "./data/keys.ts";
import { getPath, pullPath, removePath, setPath } from "./data/paths.ts";
import { lifetimeOf, type StateOptions, States } from "./data/states.ts";
import { TempData } from "./data/temp.ts";
import type { SessionData } from "./data/typing.ts";
import { PsessionError } from "./errors.ts";
import type { RequestOrigin } from "./events.ts";
import { isTokenOf, maskedToken, newCsrfSecret } from "./http/csrf.ts";
import type { Outcome } from "./protocol/outcome.ts";
import { newSiblingId } from "./protocol/secrets.ts";
import { isAlive } from "./request/alive.ts";
import { commitRequest, inTurn, refresh, reloadRequest } from "./request/commit.ts";
import { onEnd } from "./request/endings.ts";
import { loginInForce } from "./request/limits.ts";
import {
  beginsAnew,
  type Checkpoint,
  type Core,
  identityOf,
  identityOfStanding,
  isChanged,
  newIdOf,
  type RequestState,
  raiseOf,
  sessionOf,
} from "./request/state.ts";
import { checkpointOf, goBack, takeBack } from "./request/take-back.ts";
import type { Level, RememberedRow, UserId } from "./stores/store.ts";
import { type LockOptions, resolveLimits } from "./upkeep/locks.ts";

/** What of the data is kept: everything, nothing, or some keys. */
export type Keep<Data> = "all" | "none" | readonly (keyof Data & string)[];

/** What of the present data a sign-in keeps; or what the function returns. */
export type Carry<Data> =
  | Keep<Data>
  | ((present: Partial<Data>, previous: Partial<Data> | undefined) => Partial<Data>);

/** How a sign-in is done: `session.login`. */
export interface LoginOptions<Data> {
  /** Make a remembered login: this browser stays signed in after it was closed. */
  remember?: boolean | undefined;
  /**
   * What is kept of the data gathered before. The function also gets the data of the user's latest other
   * session. Default: "all", but "none" where another user was signed in.
   */
  carry?: Carry<Data> | undefined;
  /**
   * That other session, for `carry`, where it has been read already: what `findSession` of `psession/kysely` gives.
   * Null where there is none. Left out, it is read from the store.
   */
  previous?: PreviousSession | null | undefined;
  /**
   * What this device is, such as "tv": a user has one of each tag, and a sign-in ends the other one. Text of 1 to 50
   * characters. Default: none.
   */
  tag?: string | undefined;
  /**
   * When the credential was checked, in epoch milliseconds. A sign-in counts for nothing where the user's password was
   * changed or the user revoked since, and an hour later. Default: when the request arrived; needed where nobody knows
   * that, as with cookie jars.
   */
  provedAt?: number | undefined;
}

/** How a credential was proved again: `session.reauthenticate`. */
export interface ProofOptions {
  /** When the credential was checked, as in `login`. */
  provedAt?: number | undefined;
}

/** `too_many_devices`: the options `devices.max` and `overflow: "refuse"` allow no more; nothing was changed. */
export type LoginResult = "signed_in" | "too_many_devices";

/** The user's latest other session, where it was read before the sign-in. */
export interface PreviousSession {
  /** Its row's id; needed where data is encrypted. */
  readonly id?: string | undefined;
  /** Encoded, as the store keeps it. */
  readonly data: string;
}

/** What `session.isFresh` asks. */
export interface Freshness {
  /** How long ago a credential may have been proved. */
  within: Duration;
}

/** The visitor's session, as handlers see it. Changes are saved together when the response begins. */
export class Session<Data extends object = SessionData> {
  readonly #state: RequestState;

  /** @internal */
  constructor(state: RequestState) {
    this.#state = state;
  }

  /** The row's id: stays the same for the session's life, safe to show, worthless as a credential. */
  get id(): string {
    const state = this.#look();
    return sessionOf(state.standing)?.id ?? newIdOf(state);
  }

  /** What device lists show and `revoke` takes: the remembered login's id, or the session's. */
  get handle(): string {
    return identityOf(this.#look()).rememberedId ?? this.id;
  }

  /**
   * The id of the remembered login whose cookie this browser presents, whatever became of that login; undefined
   * without such a cookie, or with a forged one.
   */
  get presentedHandle(): string | undefined {
    const { rememberCookie } = this.#look();
    return rememberCookie.kind === "valid" ? rememberCookie.cookie.id : undefined;
  }

  /** @internal */
  get core(): Core {
    return this.#state.core;
  }

  /**
   * Stands for the request that this is the session of.
   *
   * @internal
   */
  get request(): object {
    return this.#state.request;
  }

  /** @internal */
  get origin(): RequestOrigin {
    const { address, userAgent } = this.#state.facts;
    return { address, userAgent };
  }

  /** @internal */
  get now(): number {
    return this.#state.core.settings.clock.now();
  }

  /**
   * What stays when the user's other devices end: this session, or its login where that has lost its row.
   *
   * @internal
   */
  get anchor(): string {
    const { standing } = this.#state;
    if (standing.kind === "remembered" && standing.session === undefined) return standing.login.id;
    return this.id;
  }

  get userId(): UserId | undefined {
    return identityOf(this.#look()).userId;
  }

  get isSignedIn(): boolean {
    return this.userId !== undefined;
  }

  get level(): Level {
    return identityOf(this.#look()).level;
  }

  /** True where a remember cookie brought the user back and no credential was proved since. */
  get isPersistent(): boolean {
    return this.level === "remembered";
  }

  /** When a credential was last proved, in epoch milliseconds. A restore does not change it. */
  get authenticatedAt(): number | undefined {
    return identityOf(this.#look()).authenticatedAt;
  }

  /** True until the session is stored, which its first change brings about. */
  get isNew(): boolean {
    return sessionOf(this.#look().standing) === undefined;
  }

  /** What became of the cookies that came along. Tell visitors no more than whether they are signed in. */
  get outcome(): Outcome {
    return this.#look().outcome;
  }

  /**
   * The presented secret was replaced long ago, and its session lives.
   *
   * @internal
   */
  get isOutdated(): boolean {
    const { standing } = this.#state;
    return standing.kind === "detached" && standing.why === "outdated";
  }

  /**
   * A guard let the request through: what is behind it is for nobody else.
   *
   * @internal
   */
  noteGuard(): void {
    this.#look().isGuarded = true;
  }

  /**
   * True where the handler asked for something that has not been stored yet.
   *
   * @internal
   */
  get hasChanges(): boolean {
    return isChanged(this.#state);
  }

  /** The data. Change it in place, however deep: differences are found when the response begins. */
  get data(): Partial<Data> {
    return this.#use().value as Partial<Data>;
  }

  /** Messages that are shown once, such as "Saved." after a redirect. */
  get flash(): Flash {
    const state = this.#state;
    state.flash ??= new Flash({
      data: () => this.#use(),
      now: () => this.now,
      atomically: (change) => this.#atomically(change),
      isStored: () => this.#isStored,
      isAhead: state.facts.ahead !== undefined,
    });
    return state.flash;
  }

  /** Values with a lifetime of their own, such as a code that was sent. */
  get temp(): TempData {
    return new TempData(
      () => this.#use(),
      () => this.now,
    );
  }

  /**
   * A token for forms and scripts of this session, for applications that want one besides the origin check
   * (ASVS 3.5.1). Another text each time, all of them valid until the next sign-in or sign-out. Asking stores the session.
   */
  csrfToken(): string {
    const { asides } = this.#use();
    const secret = asides[CSRF] ?? newCsrfSecret();
    asides[CSRF] = secret;
    if (this.#state.intent.kind === "login") this.#state.csrf = String(secret);
    return maskedToken(String(secret));
  }

  /** Whether a request may change something by the token that it brought, from wherever the application put it. */
  isCsrfToken(token: unknown): boolean {
    const secret = this.#use().asides[CSRF];
    return typeof secret === "string" && isTokenOf(secret, token);
  }

  /**
   * A random value for a sign-in elsewhere that this session begins: the `state` of OAuth and OpenID Connect, the
   * `RelayState` of SAML. It counts once, in this session, for ten minutes unless `lifetime` says otherwise, and until the
   * next sign-in or sign-out; the newest ten count. Asking stores the session.
   */
  newState(options: StateOptions = {}): string {
    const lifetime = lifetimeOf(options);
    this.#use();
    const { state, key } = this.#states().add(lifetime);
    if (this.#state.intent.kind === "login") this.#state.states.add(key);
    return state;
  }

  /**
   * Whether this session began the sign-in that comes back with `state`. True once: whatever becomes of the sign-in,
   * nobody gets it again, in however many requests it comes at the same time.
   */
  async takeState(state: unknown): Promise<boolean> {
    this.#use();
    // Nobody is there to be signed in: the page itself is asked for by a request of its own.
    if (this.#state.facts.ahead !== undefined || !this.#states().has(state)) return false;
    const take = () => this.#states().take(state);
    return this.#isStored ? this.#atomically(take) : take();
  }

  #states(): States {
    return new States(this.#state.data, this.now);
  }

  /** There is a row, or a login that will get one, and so others who might change it at the same time. */
  get #isStored(): boolean {
    const { standing } = this.#state;
    return sessionOf(standing) !== undefined || standing.kind === "remembered";
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
    const entries =
      typeof target === "string" ? [[target, value] as const] : valuesByKey("session.set", target);
    this.#use().assertStorable(Object.fromEntries(entries));
    for (const [path, item] of entries) setPath(this.#record, path, item);
  }

  has(path: string): boolean {
    return getPath(this.#record, path) !== undefined;
  }

  /** Adds to the end of a list, which is made where it is missing. */
  push(path: string, ...items: unknown[]): void {
    assertKey(path);
    this.#use().assertStorable({ [path]: items });
    const list = getPath(this.#record, path);
    if (list === undefined) setPath(this.#record, path, items);
    else if (Array.isArray(list)) list.push(...items);
    else throw new PsessionError("invalid_data", `"${path}" holds something that is no list.`);
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
   * Puts other data in place of these, as `ctx.session = {…}` of Koa does it: who is signed in stays so. After the
   * session was destroyed they are those of a new one.
   *
   * @internal
   */
  replaceData(values: DataRecord): void {
    const state = this.#state;
    state.data.assertStorable(values);
    for (const key of Object.keys(values)) refuseTopKey(key);
    state.destroyed = false;
    const data = this.#record;
    // Copied first: they may be the very object that is emptied.
    const next = { ...values };
    for (const key of Object.keys(data)) delete data[key];
    Object.assign(data, next);
  }

  /**
   * Reads, changes and writes the data as one step that no other request can get between. `change` is run
   * again where somebody was faster, so it must do nothing else, and return at once. The change is stored when
   * this returns; if it throws, nothing was changed (`session_ended` where the session is no more).
   */
  async update<R>(change: (data: Partial<Data>) => R): Promise<R> {
    this.#assertUsable();
    assertFunction("update: change", change);
    const { data } = this.#state;
    return this.#atomically(() => {
      const result = change(data.value as Partial<Data>);
      if (!isThenable(result)) return result;
      forget(result);
      throw new PsessionError("invalid_data", "update takes a function that returns at once, not a promise.");
    });
  }

  /**
   * From here until the response begins, one request of this session at a time: the others that ask for it wait,
   * then see what this one saved. `lock_timeout` (503) where that takes longer than `wait`; `session_ended` (401)
   * where the user was signed out meanwhile. What must hold whatever happens is for `update`: a lock ends after `hold`.
   */
  async exclusive(options: LockOptions = {}): Promise<void> {
    this.#use();
    const limits = resolveLimits("exclusive", options);
    const state = this.#state;
    const { userId } = this;
    const id =
      sessionOf(state.standing)?.id ??
      (state.standing.kind === "remembered" ? state.standing.login.id : undefined);
    // A session that is not stored yet is nobody else's, and neither is what follows a logout.
    const isOwn = id === undefined || state.intent.kind === "logout" || beginsAnew(state.intent);
    if (isOwn || state.lock !== undefined) return;
    state.lock = await state.core.locks.take(`session/${id}`, limits);
    await inTurn(state, () => refresh(state));
    // A guard may have let this request through for the user who was there before the wait.
    if (this.userId !== userId) throw signedOutMeanwhile();
  }

  /**
   * Stores data, sign-in or logout now instead of when the response begins, and throws here if that fails:
   * then a sign-in is taken back. Secrets are exchanged with the response all the same, which brings them.
   */
  async save(): Promise<void> {
    this.#assertUsable();
    const state = this.#state;
    await inTurn(state, async () => {
      try {
        await this.#store();
      } catch (error) {
        takeBack(state);
        const { intent } = state;
        // The handler will answer that this failed; the commit must not do it after all. A session of another library
        // is taken over with its user all the same: without, the data would say who is signed in where nobody is.
        const isDue = intent.kind === "logout" || (intent.kind === "login" && intent.isTakenOver === true);
        if (!isDue) state.intent = { kind: "keep" };
        throw error;
      }
    });
  }

  /**
   * Reads the data again, as it is stored now; changes that were not saved are forgotten, which is everything where
   * nothing was stored yet. Throws `session_ended` where the session is no more.
   */
  async reload(): Promise<void> {
    this.#assertUsable();
    // After logout() the row is still there until the response begins, and its data is the user's who has left.
    if (this.#state.intent.kind === "logout") throw ended("there is nothing to read again");
    await inTurn(this.#state, () => reloadRequest(this.#state));
  }

  /**
   * Signs a user in whose credentials the application has just checked. The session gets a new secret, so
   * that one planted before is worthless (OWASP SESS-03), and a remembered login that this browser had ends. It is
   * stored with the response; at once where it may be refused (option `devices.overflow`): then look at the result.
   */
  async login(userId: UserId, options: LoginOptions<Data> = {}): Promise<LoginResult> {
    this.#assertUsable();
    const state = this.#state;
    const { store, devices } = state.core.settings;
    assertUserId(userId, store.userIds);
    assertLogin(options);
    const provedAt = this.#provedAt("login", options.provedAt);
    const mayBeRefused = devices.max !== undefined && devices.overflow === "refuse";
    const before = checkpointOf(state);
    try {
      await this.#prepareLogin(userId, options, provedAt);
    } catch (error) {
      // A function that was given the data may have changed them before it threw.
      goBack(state, before);
      throw error;
    }
    if (mayBeRefused) return inTurn(state, () => this.#storeLogin(before));
    state.checkpoint ??= before;
    return "signed_in";
  }

  async #storeLogin(before: Checkpoint): Promise<LoginResult> {
    const state = this.#state;
    try {
      if ((await this.#store()) !== "full") return "signed_in";
    } catch (error) {
      goBack(state, before);
      throw error;
    }
    goBack(state, before);
    return "too_many_devices";
  }

  /**
   * From here on what is set belongs to what follows, such as a sign-in: taken back with it where that is not stored.
   *
   * @internal
   */
  setCheckpoint(): void {
    this.#state.checkpoint ??= checkpointOf(this.#state);
  }

  /** @internal */
  takeBack(): void {
    takeBack(this.#state);
  }

  async #prepareLogin(userId: UserId, options: LoginOptions<Data>, provedAt: number): Promise<void> {
    const state = this.#state;
    // By the row, not by what the handler asked for since: after logout() the data of another user is still there.
    const before = identityOfStanding(state.standing).userId;
    const isOtherUser = before !== undefined && before !== userId;
    const carry = options.carry ?? (isOtherUser && state.intent.kind !== "logout" ? "none" : "all");
    const carriesAll = carry === "all" && !isOtherUser && state.intent.kind !== "logout";
    await this.#carry(userId, carry, options.previous);
    // Whoever planted the session of before may know its token.
    delete state.data.asides[CSRF];
    state.csrf = undefined;
    this.#states().keepOnly(new Set());
    state.states.clear();
    state.intent = {
      kind: "login",
      userId,
      level: "login",
      authenticatedAt: provedAt,
      remember:
        options.remember && state.core.settings.remember.enabled ? { id: newSiblingId(this.id) } : undefined,
      carriesAll,
      tag: options.tag,
      provedAt,
    };
  }

  /**
   * The user proved a credential again: level `login`, a new `authenticatedAt`, a new secret, and deadlines from now on,
   * though not beyond the remembered login's. Throws `proof_outdated` (401) as a sign-in does.
   */
  async reauthenticate(options: ProofOptions = {}): Promise<void> {
    this.#assertSignedIn();
    assertOptions("reauthenticate", options, ["provedAt"]);
    const provedAt = this.#provedAt("reauthenticate", options.provedAt);
    const login = await this.#ownLogin();
    const { intent } = this.#state;
    const raise = { provedAt, notAfter: login?.absoluteDeadline };
    if (intent.kind === "renew") this.#state.intent = { ...intent, raise };
    else if (intent.kind !== "login") this.#state.intent = { kind: "reauthenticate", ...raise };
  }

  /** The remembered login that the session belongs to, by a read unless the request has read it. */
  async #ownLogin(): Promise<RememberedRow | undefined> {
    const { standing, core } = this.#state;
    if (standing.kind === "remembered") return standing.login;
    const id = sessionOf(standing)?.rememberedId;
    if (id === undefined) return undefined;
    const found = await core.settings.store.findRemembered(id);
    return loginInForce(found?.login, core.settings);
  }

  #provedAt(method: string, given: unknown): number {
    const { facts, arrivedAt, core } = this.#state;
    const { clock, times } = core.settings;
    const isKnown = given !== undefined || facts.arrivedAt !== undefined;
    const provedAt = given === undefined ? arrivedAt : given;
    const isTime =
      typeof provedAt === "number" && Number.isFinite(provedAt) && provedAt <= clock.now() + times.skew;
    if (isKnown && isTime) return Math.trunc(provedAt);
    throw new PsessionError(
      "invalid_options",
      isKnown
        ? `${method}: provedAt must be the time at which the credential was checked, in epoch milliseconds, and not in the future.`
        : `${method}: provedAt is needed here, as nobody knows when this request arrived: the time at which you began to check the credential, such as Date.now() before you look at the password.`,
    );
  }

  /**
   * Takes over a sign-in that another library had kept: nobody proved anything now, so it is never fresh.
   *
   * @internal
   */
  takeOver(userId: UserId): void {
    const state = this.#state;
    assertUserId(userId, state.core.settings.store.userIds);
    state.intent = {
      kind: "login",
      userId,
      level: "login",
      authenticatedAt: undefined,
      remember: undefined,
      carriesAll: true,
      isTakenOver: true,
      tag: undefined,
      provedAt: state.arrivedAt,
    };
  }

  /**
   * Exchanges the secret and keeps everything else, or of the data what `keep` says. Requests on their way with
   * the old secret are still served.
   */
  async regenerate(options: { keep?: Keep<Data> } = {}): Promise<void> {
    this.#assertUsable();
    assertOptions("regenerate", options, ["keep"]);
    const { keep = "all" } = options;
    assertKeep("regenerate: keep", keep);
    if (keep !== "all") this.setCheckpoint();
    this.#keep(keep);
    if (this.#state.intent.kind === "keep") this.#state.intent = { kind: "regenerate" };
  }

  /**
   * As `regenerate`, but the old secret gets nothing: somebody may have planted it, and what is in the session now
   * may be a sign-in that we know nothing of.
   *
   * @internal
   */
  replaceSecret(): void {
    this.#assertUsable();
    if (this.isNew) {
      // A secret that is derived from another library's cookie belongs to whoever has that.
      this.#state.successor = this.#state.drawnId = undefined;
      return;
    }
    const { kind } = this.#state.intent;
    if (kind === "keep" || kind === "regenerate") this.#state.intent = { kind: "regenerate", isFinal: true };
  }

  /**
   * New secrets for the session and its remembered login, at the same level and with the same deadlines: copies of the
   * cookies become worthless. The login gets one only where the request presented its current token, so that nobody gets
   * a remember cookie by a copied session cookie.
   */
  async renew(): Promise<void> {
    await this.#renew(false);
  }

  /**
   * As `renew`, for whoever stays signed in after a changed password: a login whose token was not presented ends.
   *
   * @internal
   */
  async renewKept(): Promise<void> {
    await this.#renew(true);
  }

  async #renew(endsLogin: boolean): Promise<void> {
    this.#assertSignedIn();
    const state = this.#state;
    if (state.intent.kind === "login") return;
    const raise = raiseOf(state.intent);
    const login = await this.#ownLogin();
    state.intent = { kind: "renew", login, endsLogin, raise };
  }

  /**
   * Begins a new, anonymous session where the one that the browser presents cannot be used here, and would otherwise
   * be left alone: its address or browser is another, its secret was replaced, or another site sent the request and the
   * browser has withheld its cookies. For login pages, which need to keep a CSRF token or the state of a sign-in
   * elsewhere. Does nothing where the session can be used. The other session is not ended.
   */
  startAnew(): void {
    this.#assertUsable();
    const state = this.#state;
    if (state.standing.kind !== "detached") return;
    const { why } = state.standing;
    if (why === "unavailable" || why === "insecure" || why === "skew") return;
    state.standing = { kind: "none" };
  }

  /** Ends session and remembered login, clears the cookies. What is set afterwards goes to a new, anonymous session. */
  async logout(): Promise<void> {
    this.#assertUsable();
    this.#state.intent = { kind: "logout" };
    this.#state.checkpoint = this.#state.successor = undefined;
    this.#state.data.reset();
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
    const limit = parseDuration((options as Freshness | null | undefined)?.within);
    if (limit === undefined) {
      throw new PsessionError(
        "invalid_options",
        'isFresh: within must be a duration, such as 600000 or "10m".',
      );
    }
    const { level, authenticatedAt } = identityOf(this.#look());
    const now = this.#state.core.settings.clock.now();
    return level === "login" && authenticatedAt !== undefined && now - authenticatedAt <= limit;
  }

  /**
   * Whether the session is still there, by one read: for answers that last, such as server-sent events. Not logged out
   * or revoked, in whatever process, not past its deadlines, not given to another sign-in. False where there is none.
   */
  async isAlive(): Promise<boolean> {
    return isAlive(this.#look());
  }

  /**
   * Calls `listener` once when this process ends the session. Other processes do not tell, and deadlines pass in
   * silence: ask `isAlive` before what matters, and now and then. Returns the function that stops listening, to be
   * called when the connection closes.
   */
  onEnd(listener: () => void): () => void {
    assertFunction("onEnd: listener", listener);
    return onEnd(this.#look(), listener);
  }

  /** The user's devices: every remembered login and live session, this one marked. */
  async devices(): Promise<Device[]> {
    return listDevices(this.#state.core, this.#assertSignedIn(), this);
  }

  /**
   * Gives one of this user's devices a name that the user recognises: text of at most 100 characters, trimmed;
   * undefined or "" takes it away. False where the user has no such device, or where it is yet to be stored.
   */
  async nameDevice(handle: string, name: string | undefined): Promise<boolean> {
    return nameDevice(this.#state.core, { handle, userId: this.#assertSignedIn() }, name);
  }

  /** Ends one of this user's devices. False where the user has no such device. */
  async revoke(handle: string): Promise<boolean> {
    const userId = this.#assertSignedIn();
    if (!isHandle("revoke", handle)) return false;
    if (handle === this.handle || handle === this.id) {
      await this.logout();
      return true;
    }
    return (await endDevices(this.#state.core, { handle, userId }, "revoked")) > 0;
  }

  /** Ends all other devices of this user; says how many. */
  async revokeOthers(): Promise<number> {
    return endDevices(this.#state.core, { userId: this.#assertSignedIn(), except: this.anchor }, "revoked");
  }

  toJSON(): object {
    const { userId, level, authenticatedAt } = identityOf(this.#look());
    return { id: this.id, handle: this.handle, userId, level, authenticatedAt, isNew: this.isNew };
  }

  [inspect.custom](): string {
    const { isLookedAt } = this.#state;
    const text = `Session ${inspect(this.toJSON())}`;
    // A log is no answer.
    this.#state.isLookedAt = isLookedAt;
    return text;
  }

  get #record(): DataRecord {
    return this.data as DataRecord;
  }

  async #carry(userId: UserId, carry: Carry<Data>, given: PreviousSession | null | undefined): Promise<void> {
    if (typeof carry !== "function") return this.#keep(carry);
    const { data } = this.#state;
    const previous =
      given === undefined ? await this.#previousOf(userId) : this.#givenPrevious(userId, given);
    const merged: unknown = carry(data.value as Partial<Data>, previous as Partial<Data> | undefined);
    if (typeof merged !== "object" || merged === null || isThenable(merged) || Symbol.iterator in merged) {
      forget(merged);
      throw new PsessionError(
        "invalid_data",
        "carry takes a function that returns the data to keep, at once.",
      );
    }
    data.replace(merged as DataRecord);
  }

  #keep(keep: Keep<Data>): void {
    if (keep === "all") return;
    const { data } = this.#state;
    const kept = (keep === "none" ? [] : keep).filter((key) => Object.hasOwn(data.value, key));
    data.replace(Object.fromEntries(kept.map((key) => [key, data.value[key]])));
  }

  async #previousOf(userId: UserId): Promise<DataRecord | undefined> {
    const entries = await this.#state.core.settings.store.list(userId);
    const others = entries.flatMap(({ session }) =>
      session === undefined || session.id === this.id ? [] : session,
    );
    const latest = others.sort((a, b) => b.lastSeenAt - a.lastSeenAt)[0];
    return latest && this.#readableOf(userId, latest.id);
  }

  /** Lists have no data. Whoever has signed in on the row since then is asked for nothing. */
  async #readableOf(userId: UserId, id: string): Promise<DataRecord | undefined> {
    try {
      const row = await this.#state.core.settings.store.findSession(id);
      return row?.userId === userId ? this.#readable(userId, () => row.data) : undefined;
    } catch (error) {
      const isUnreadable =
        error instanceof PsessionError &&
        (error.code === "data_unreadable" || error.code === "store_misread");
      if (!isUnreadable) throw error;
      return this.#unreadable(userId);
    }
  }

  #givenPrevious(userId: UserId, previous: PreviousSession | null): DataRecord | undefined {
    if (previous === null) return undefined;
    const { id = "", data } = previous;
    const { vault } = this.#state.core.settings;
    return this.#readable(userId, () => (vault === undefined ? data : vault.open(data, { id, userId })));
  }

  /** Somebody whose other session is damaged must still be able to sign in. */
  #readable(userId: UserId, text: () => string): DataRecord | undefined {
    try {
      return this.#state.data.decode(text());
    } catch {
      return this.#unreadable(userId);
    }
  }

  #unreadable(userId: UserId): undefined {
    const { core } = this.#state;
    core.events.emit("previousUnreadable", { at: core.settings.clock.now(), userId });
  }

  async #atomically<R>(change: () => R): Promise<R> {
    const state = this.#state;
    return inTurn(state, async () => {
      let own = state.data.snapshot();
      const undo = (error: unknown): never => {
        if (state.standing.kind !== "detached") state.data.restore(own);
        throw error;
      };
      let result: R;
      try {
        result = change();
      } catch (error) {
        return undo(error);
      }
      state.rerun = (fresh) => {
        state.data.restore(own);
        const conflicts = state.data.rebase(fresh);
        own = state.data.snapshot();
        result = change();
        return conflicts;
      };
      try {
        await this.#store();
        return result;
      } catch (error) {
        if (state.checkpoint === undefined) return undo(error);
        takeBack(state);
        throw error;
      } finally {
        state.rerun = undefined;
      }
    });
  }

  async #store(): Promise<"done" | "full"> {
    const state = this.#state;
    state.hasDiscarded = false;
    const result = await commitRequest(state, { isFinal: false });
    if (!state.hasDiscarded) return result ?? "done";
    const { standing } = state;
    const isWithheld = standing.kind === "detached" && WITHHELD.has(standing.why);
    throw isWithheld ? withheld() : ended("the change was not stored");
  }

  /** For all that tells something of the visitor: caches are told that the answer may depend on it. */
  #look(): RequestState {
    this.#state.isLookedAt = true;
    return this.#state;
  }

  /** What is kept, for whoever reads or changes it now. */
  #use(): RequestState["data"] {
    this.#assertUsable();
    const state = this.#look();
    state.onLateUse?.();
    return state.data;
  }

  #assertUsable(): void {
    // Whoever asks for something of it: what comes of that may depend on the cookies.
    if (!this.#look().destroyed) return;
    throw new PsessionError(
      "session_destroyed",
      "This session was destroyed; the next request begins a new one.",
    );
  }

  #assertSignedIn(): UserId {
    this.#assertUsable();
    const { userId } = this;
    if (userId === undefined) {
      throw new PsessionError(
        "not_signed_in",
        "Nobody is signed in: call login() first, or guard the route.",
        { status: 401 },
      );
    }
    return userId;
  }
}

refuseAssignments(Session.prototype);
refuseCallbacks(Session.prototype, ["save", "reload", "regenerate", "renew", "logout", "destroy"]);

function ended(consequence: string): PsessionError {
  return new PsessionError(
    "session_ended",
    `The session was ended or taken over by another sign-in meanwhile; ${consequence}.`,
    { status: 409 },
  );
}

/** The browser may have a session that this request cannot use. */
const WITHHELD: ReadonlySet<string> = new Set(["moved", "cross_site", "stray", "outdated"]);

const withheld = (): PsessionError =>
  new PsessionError(
    "session_withheld",
    "The browser may have a session that this request cannot use: it came without its cookies from another site, from " +
      "another address or browser, or with cookies that were replaced. A new one would overwrite it, so nothing was " +
      "stored; session.startAnew() begins one on purpose.",
    { status: 409 },
  );

const signedOutMeanwhile = (): PsessionError =>
  new PsessionError("session_ended", "The user was signed out while this request waited for its turn.", {
    status: 401,
  });

const LONGEST_TAG = 50;

function assertLogin<Data>(options: LoginOptions<Data>): void {
  assertOptions("login", options, ["remember", "carry", "previous", "tag", "provedAt"]);
  const { remember = false, carry = "all", previous, tag } = options;
  // What a form posts is text: taken for true, "off" would remember, and for false, a tick would be lost in silence.
  if (typeof remember !== "boolean")
    throw new PsessionError(
      "invalid_options",
      'login: remember must be true or false, such as { remember: body.remember === "on" } for a ticked box of a form.',
    );
  if (typeof carry !== "function") assertKeep("login: carry", carry);
  if (tag !== undefined) assertText("login: tag", tag, LONGEST_TAG);
  if (previous !== undefined && previous !== null && !isPrevious(previous))
    throw new PsessionError(
      "invalid_options",
      "login: previous must be a session that was read, with data and id as text, or null.",
    );
}

const isPrevious = ({ id = "", data }: { readonly id?: unknown; readonly data?: unknown }): boolean =>
  typeof id === "string" && typeof data === "string";

/** Text has no keys, and a key that is none would be passed over: what was to stay would be gone. */
function assertKeep(what: string, keep: unknown): void {
  const isList = Array.isArray(keep) && keep.every((key) => typeof key === "string");
  if (keep === "all" || keep === "none" || isList) return;
  throw new PsessionError("invalid_options", `${what} must be "all", "none" or a list of keys.`);
}
