import { inspect } from "node:util";
import type { DataRecord } from "./data/codec.ts";
import { getPath, removePath, setPath } from "./data/paths.ts";
import type { SessionData } from "./data/typing.ts";
import { type Device, endDevices, listDevices } from "./devices.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { PsessionError } from "./errors.ts";
import { commitRequest, inTurn, reloadRequest } from "./request/commit.ts";
import {
  identityOf,
  identityOfStanding,
  isChanged,
  newIdOf,
  type Outcome,
  type RequestState,
  sessionOf,
} from "./request/state.ts";
import { newSiblingId } from "./secrets.ts";
import type { Level, UserId } from "./stores/store.ts";
import { assertUserId } from "./user-id.ts";

/** What of the data is kept: everything, nothing, or some keys. */
export type Keep<Data> = "all" | "none" | readonly (keyof Data & string)[];

/** What of the present data a sign-in keeps; or what the function returns. */
export type Carry<Data> =
  | Keep<Data>
  | ((present: Partial<Data>, previous: Partial<Data> | undefined) => Partial<Data>);

export interface LoginOptions<Data> {
  /** Make a remembered login: this browser stays signed in after it was closed. */
  remember?: boolean;
  /**
   * What is kept of the data gathered before. The function also gets the data of the user's latest other
   * session. Default: "all", but "none" where another user was signed in.
   */
  carry?: Carry<Data>;
  /**
   * That other session, for `carry`, where it has been read already: what `findSession` of `psession/kysely` gives.
   * Null where there is none. Left out, it is read from the store.
   */
  previous?: PreviousSession | null | undefined;
}

export interface PreviousSession {
  /** Encoded, as the store keeps it. */
  readonly data: string;
}

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
    return sessionOf(this.#state.standing)?.id ?? newIdOf(this.#state);
  }

  /** What device lists show and `revoke` takes: the remembered login's id, or the session's. */
  get handle(): string {
    return identityOf(this.#state).rememberedId ?? this.id;
  }

  /**
   * The id of the remembered login whose cookie this browser presents, whatever became of that login; undefined
   * without such a cookie, or with a forged one.
   */
  get presentedHandle(): string | undefined {
    const { rememberCookie } = this.#state;
    return rememberCookie.kind === "valid" ? rememberCookie.cookie.id : undefined;
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
    return identityOf(this.#state).userId;
  }

  get isSignedIn(): boolean {
    return this.userId !== undefined;
  }

  get level(): Level {
    return identityOf(this.#state).level;
  }

  /** True where a remember cookie brought the user back and no credential was proved since. */
  get isPersistent(): boolean {
    return this.level === "remembered";
  }

  /** When a credential was last proved, in epoch milliseconds. A restore does not change it. */
  get authenticatedAt(): number | undefined {
    return identityOf(this.#state).authenticatedAt;
  }

  /** True until the session is stored, which its first change brings about. */
  get isNew(): boolean {
    return sessionOf(this.#state.standing) === undefined;
  }

  /** What became of the cookies that came along. Tell visitors no more than whether they are signed in. */
  get outcome(): Outcome {
    return this.#state.outcome;
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
    this.#assertUsable();
    this.#state.onLateUse?.();
    return this.#state.data.value as Partial<Data>;
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
    const values = typeof target === "string" ? { [target]: value } : target;
    for (const [path, item] of Object.entries(values)) setPath(this.#record, path, item);
  }

  has(path: string): boolean {
    return getPath(this.#record, path) !== undefined;
  }

  /** Adds to the end of a list, which is made where it is missing. */
  push(path: string, ...items: unknown[]): void {
    const list = getPath(this.#record, path);
    if (list === undefined) setPath(this.#record, path, items);
    else if (Array.isArray(list)) list.push(...items);
    else throw new PsessionError("invalid_data", `"${path}" holds something that is no list.`);
  }

  remove(...paths: string[]): void {
    for (const path of paths) removePath(this.#record, path);
  }

  /**
   * Reads, changes and writes the data as one step that no other request can get between. `change` is run
   * again where somebody was faster, so it must do nothing else, and return at once. The change is stored when
   * this returns; if it throws, nothing was changed (`session_ended` where the session is no more).
   */
  async update<R>(change: (data: Partial<Data>) => R): Promise<R> {
    this.#assertUsable();
    const state = this.#state;
    const { codec } = state.core.settings;
    return inTurn(state, async () => {
      const copy = () => codec.decode(codec.encode(state.data.value));
      const apply = () => {
        const result = change(state.data.value as Partial<Data>);
        if (!(result instanceof Promise)) return result;
        throw new PsessionError(
          "invalid_data",
          "update takes a function that returns at once, not a promise.",
        );
      };
      let own = copy();
      try {
        let result = apply();
        state.rerun = (fresh) => {
          state.data.replace(own);
          const conflicts = state.data.rebase(fresh);
          own = copy();
          result = apply();
          return conflicts;
        };
        await this.#store();
        return result;
      } catch (error) {
        if (state.standing.kind !== "detached") state.data.replace(own);
        throw error;
      } finally {
        state.rerun = undefined;
      }
    });
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
        // The handler will answer that this failed; the commit must not do it after all.
        if (state.intent.kind !== "logout") state.intent = { kind: "keep" };
        throw error;
      }
    });
  }

  /**
   * Reads the data again, as it is stored now; changes that were not saved are forgotten. Throws `session_ended`
   * where the session is no more, or was never stored.
   */
  async reload(): Promise<void> {
    this.#assertUsable();
    await inTurn(this.#state, () => reloadRequest(this.#state));
  }

  /**
   * Signs a user in whose credentials the application has just checked. The session gets a new secret, so
   * that one planted before is worthless (OWASP SESS-03), and a remembered login that this browser had ends.
   */
  async login(userId: UserId, options: LoginOptions<Data> = {}): Promise<void> {
    this.#assertUsable();
    const state = this.#state;
    assertUserId(userId, state.core.settings.store.userIds);
    // By the row, not by what the handler asked for since: after logout() the data of another user is still there.
    const before = identityOfStanding(state.standing).userId;
    const isOtherUser = before !== undefined && before !== userId;
    const carry = options.carry ?? (isOtherUser && state.intent.kind !== "logout" ? "none" : "all");
    const carriesAll = carry === "all" && !isOtherUser && state.intent.kind !== "logout";
    await this.#carry(userId, carry, options.previous);
    state.intent = {
      kind: "login",
      userId,
      level: "login",
      authenticatedAt: state.core.settings.clock.now(),
      remember: options.remember === true ? { id: newSiblingId(this.id), until: undefined } : undefined,
      carriesAll,
      isRenewal: false,
    };
  }

  /** The user proved a credential again: level `login`, a new `authenticatedAt`, a new secret. */
  async reauthenticate(): Promise<void> {
    this.#assertSignedIn();
    const { intent, core } = this.#state;
    const at = core.settings.clock.now();
    if (intent.kind !== "login") this.#state.intent = { kind: "reauthenticate", at };
    else if (intent.isRenewal) this.#state.intent = { ...intent, level: "login", authenticatedAt: at };
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
      isRenewal: false,
    };
  }

  /**
   * Exchanges the secret and keeps everything else, or of the data what `keep` says. Requests on their way with
   * the old secret are still served.
   */
  async regenerate({ keep = "all" }: { keep?: Keep<Data> } = {}): Promise<void> {
    this.#assertUsable();
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
   * New secrets for the session and its remembered login, at the same level and with the same deadlines:
   * copies of the cookies become worthless, as after a changed password.
   */
  async renew(): Promise<void> {
    const userId = this.#assertSignedIn();
    const state = this.#state;
    if (state.intent.kind === "login") return;
    const { level, authenticatedAt, rememberedId } = identityOf(state);
    const login =
      rememberedId === undefined ? undefined : await state.core.settings.store.findRemembered(rememberedId);
    state.intent = {
      kind: "login",
      userId,
      level,
      authenticatedAt,
      remember:
        login === undefined ? undefined : { id: newSiblingId(this.id), until: login.login.absoluteDeadline },
      carriesAll: true,
      isRenewal: true,
    };
  }

  /** Ends session and remembered login, clears the cookies. What is set afterwards goes to a new, anonymous session. */
  async logout(): Promise<void> {
    this.#assertUsable();
    this.#state.intent = { kind: "logout" };
    this.#state.successor = undefined;
    this.#state.data.reset();
  }

  /** As `logout`, and the session cannot be used in this request any more. */
  async destroy(): Promise<void> {
    await this.logout();
    this.#state.destroyed = true;
  }

  /** True where a credential was proved that recently. A restored session is never fresh. */
  isFresh({ within }: Freshness): boolean {
    const limit = parseDuration(within);
    if (limit === undefined) {
      throw new PsessionError(
        "invalid_options",
        'isFresh: within must be a duration, such as 600000 or "10m".',
      );
    }
    const { level, authenticatedAt } = identityOf(this.#state);
    const now = this.#state.core.settings.clock.now();
    return level === "login" && authenticatedAt !== undefined && now - authenticatedAt <= limit;
  }

  /** The user's devices: every remembered login and live session, this one marked. */
  async devices(): Promise<Device[]> {
    return listDevices(this.#state.core, this.#assertSignedIn(), this);
  }

  /** Ends one of this user's devices. False where the user has no such device. */
  async revoke(handle: string): Promise<boolean> {
    const userId = this.#assertSignedIn();
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
    const { userId, level, authenticatedAt } = identityOf(this.#state);
    return { id: this.id, handle: this.handle, userId, level, authenticatedAt, isNew: this.isNew };
  }

  [inspect.custom](): string {
    return `Session ${inspect(this.toJSON())}`;
  }

  get #record(): DataRecord {
    return this.data as DataRecord;
  }

  async #carry(userId: UserId, carry: Carry<Data>, given: PreviousSession | null | undefined): Promise<void> {
    if (typeof carry !== "function") return this.#keep(carry);
    const { data } = this.#state;
    const previous = given === undefined ? await this.#previousOf(userId) : given;
    const merged = carry(
      data.value as Partial<Data>,
      (previous == null ? undefined : this.#decode(userId, previous)) as Partial<Data> | undefined,
    );
    data.replace(merged as DataRecord);
  }

  #keep(keep: Keep<Data>): void {
    if (keep === "all") return;
    const { data } = this.#state;
    const kept = (keep === "none" ? [] : keep).filter((key) => Object.hasOwn(data.value, key));
    data.replace(Object.fromEntries(kept.map((key) => [key, data.value[key]])));
  }

  async #previousOf(userId: UserId): Promise<PreviousSession | undefined> {
    const sessions = (await this.#state.core.settings.store.list(userId)).flatMap(
      ({ session }) => session ?? [],
    );
    return sessions.filter(({ id }) => id !== this.id).sort((a, b) => b.lastSeenAt - a.lastSeenAt)[0];
  }

  /** Somebody whose other session is damaged must still be able to sign in. */
  #decode(userId: UserId, { data }: PreviousSession): DataRecord | undefined {
    const { core } = this.#state;
    try {
      return this.#state.data.decode(data);
    } catch {
      core.events.emit("previousUnreadable", { at: core.settings.clock.now(), userId });
      return undefined;
    }
  }

  async #store(): Promise<void> {
    const state = this.#state;
    state.hasDiscarded = false;
    await commitRequest(state, { isFinal: false });
    if (!state.hasDiscarded) return;
    throw ended("the change was not stored");
  }

  #assertUsable(): void {
    if (!this.#state.destroyed) return;
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

function ended(consequence: string): PsessionError {
  return new PsessionError(
    "session_ended",
    `The session was ended or taken over by another sign-in meanwhile; ${consequence}.`,
    { status: 409 },
  );
}
