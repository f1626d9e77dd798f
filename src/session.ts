import { inspect } from "node:util";
import { type Device, endDevice, endDevices, listDevices, nameDevice } from "./account/devices.ts";
import { refuseAssignments } from "./checks/assignments.ts";
import { refuseCallbacks } from "./checks/callbacks.ts";
import { isHandle } from "./checks/given.ts";
import type { StateOptions } from "./data/states.ts";
import type { SessionData } from "./data/typing.ts";
import type { Actor } from "./protocol/actor.ts";
import type { EndedBecause } from "./protocol/ended.ts";
import type { Outcome } from "./protocol/outcome.ts";
import type { Pending } from "./protocol/pending.ts";
import { type AuthenticationClaims, claimsOf, type ProvedMethod } from "./protocol/proofs.ts";
import { actorOf, refuseImpersonation, userOrigin } from "./request/acting.ts";
import { isAlive } from "./request/alive.ts";
import { csrfToken, isCsrfToken, newState, takeState } from "./request/asides.ts";
import { type BeginOptions, begin, type CompleteOptions, complete } from "./request/begin.ts";
import { askForKeyProof } from "./request/bind.ts";
import { isKeyProved, keyProvedAt } from "./request/bound.ts";
import type { Keep } from "./request/carry.ts";
import { SessionContent } from "./request/content.ts";
import { endTrust } from "./request/end-trust.ts";
import { exclusive } from "./request/exclusive.ts";
import { type ImpersonationOptions, impersonate, stopImpersonating } from "./request/impersonation.ts";
import type { Freshness, LoginOptions, LoginResult, ProofOptions } from "./request/intents.ts";
import * as intents from "./request/intents.ts";
import { bePassive, type EndsAt, endsAt, extend } from "./request/lifetime.ts";
import { onEnd } from "./request/on-end.ts";
import * as standing from "./request/standing.ts";
import {
  type Core,
  identityOf,
  isChanged,
  type RequestState,
  sessionOf,
  type Writing,
  waitingOf,
} from "./request/state.ts";
import { distrust, isTrusted, keepingTrust, type TrustOptions, trust } from "./request/trust.ts";
import { look, signedIn, usable, use } from "./request/use.ts";
import type { Level, UserId } from "./stores/store.ts";
import type { LockOptions } from "./upkeep/locks.ts";

/** The visitor's session, as handlers see it. Changes are saved together when the response begins. */
export class Session<Data extends object = SessionData> extends SessionContent<Data> {
  readonly #state: Writing<"isGuarded" | "destroyed">;

  /** @internal */
  constructor(state: RequestState) {
    super(state);
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

  /** "device-bound" where the user proved a credential, and the browser the key that the session is bound to. */
  get level(): Level {
    const { level } = identityOf(look(this.#state));
    return level === "login" && this.keyProvedAt !== undefined ? "device-bound" : level;
  }

  /**
   * When this browser last proved that it holds the key which the session is bound to, in epoch milliseconds; undefined
   * where the session is not bound (option `deviceBound`), or has been for seconds only.
   */
  get keyProvedAt(): number | undefined {
    return keyProvedAt(look(this.#state));
  }

  /** True where this browser has proved that recently that it holds the key which the session is bound to. */
  isKeyProved(options: Pick<Freshness, "within">): boolean {
    return isKeyProved(look(this.#state), options);
  }

  /**
   * Takes the short cookie of a bound session away, so that the browser proves its key before it sends another request.
   * For answers that send it to the page again: `requireKeyProof`. @internal
   */
  askForKeyProof(): void {
    askForKeyProof(this.#state);
  }

  /** True where a remember cookie brought the user back and no credential was proved since. */
  get isPersistent(): boolean {
    return this.level === "remembered";
  }

  /** When a credential was last proved, in epoch milliseconds. A restore does not change it. */
  get authenticatedAt(): number | undefined {
    return identityOf(look(this.#state)).authenticatedAt;
  }

  /**
   * How the user has signed in, the latest first: the methods that the application named, and when each was proved. Empty
   * after a restore, which proves nothing.
   */
  get proofs(): readonly ProvedMethod[] {
    return intents.proofsOf(look(this.#state));
  }

  /** The claims `amr`, `acr` and `auth_time` of an OpenID Connect ID token. */
  get claims(): AuthenticationClaims {
    return claimsOf(this.proofs, this.authenticatedAt);
  }

  /** The sign-in that has begun here and waits for another factor, until its time is over. */
  get pending(): Pending | undefined {
    return waitingOf(look(this.#state));
  }

  /** True until the session is stored, which its first change causes. */
  get isNew(): boolean {
    return sessionOf(look(this.#state).standing) === undefined;
  }

  /** What became of the request's cookies. Show visitors no more than whether they are signed in. */
  get outcome(): Outcome {
    return look(this.#state).outcome;
  }

  /**
   * Why this browser, which was signed in, is not any more: undefined where a user is signed in, where none was, and where
   * its cookies do not prove enough. Made for the visitor's own page: it costs no read, and says of a theft, a changed
   * password and a revocation no more than that the sign-in was ended.
   */
  get endedBecause(): EndedBecause | undefined {
    const { ended } = look(this.#state);
    return this.isSignedIn ? undefined : ended;
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
   * Signs in a user after the application has checked the credentials. The session gets a new secret, so
   * that one planted before is worthless (OWASP SESS-03), and a remembered login that this browser had ends. It is
   * stored with the response; at once where it may be refused (option `devices.overflow`): then look at the result. It
   * stands on its own proof: `complete` is the second step of a sign-in that has begun.
   */
  async login(userId: UserId, options: LoginOptions<Data> = {}): Promise<LoginResult> {
    return intents.login(usable(this.#state), userId, options);
  }

  /**
   * Notes that a user has proved a first factor and has to prove another. Nobody is signed in by that, and whoever was
   * signed in on this session no longer is. The session gets a new secret, now and when `complete` follows.
   */
  async begin(userId: UserId, options: BeginOptions<Data> = {}): Promise<void> {
    await begin(usable(this.#state), userId, options);
  }

  /**
   * Signs in the user whose sign-in has begun, after the application has checked the other factor; `remember` is as it
   * was ticked then. Counts as proved when the first factor was. Throws `nothing_pending` (401) where none waits, and
   * `proof_outdated` (401) where the password was changed or the user revoked meanwhile.
   */
  async complete(options: CompleteOptions<Data> = {}): Promise<LoginResult> {
    return complete(usable(this.#state), options);
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

  /** As `reauthenticate`, by a method that `proofs` then lists beside the others, such as a second factor. */
  async prove(method: string, options: Pick<ProofOptions, "provedAt"> = {}): Promise<void> {
    intents.assertMethod("prove: method", method);
    await intents.reauthenticate(this.#state, { ...options, method }, "prove");
  }

  /**
   * Records that this user trusts this browser, for the application to skip a second factor on it. Needs a proof of a
   * credential within the last hour (`proof_outdated`). Stored at once. Ends with its time, when a factor is changed
   * (`psession.passwordChanged`), the user is revoked, a theft is noticed, or the device is revoked.
   */
  async trust(options: TrustOptions = {}): Promise<void> {
    await trust(usable(this.#state), options);
  }

  /** Ends that trust. False where there was none. */
  async distrust(): Promise<boolean> {
    return distrust(usable(this.#state));
  }

  /**
   * Whether the user trusts this browser: by default the one whose sign-in has begun here, or who is signed in. Asks the
   * store only where the browser sends such a cookie.
   */
  async isTrusted(userId?: UserId): Promise<boolean> {
    return isTrusted(look(this.#state), userId);
  }

  /**
   * Acts as another user from here on, in a session of its own without data, stored at once; the administrator's own
   * waits. Whether a user may do so is the application's decision. Not fresh, without proofs; what only the user may do is
   * refused (`impersonating`, 403): proofs, changes of factors, trust, names of devices. Ends with its time, with
   * `stopImpersonating`, and with either of the two sessions or users.
   */
  async impersonate(userId: UserId, options: ImpersonationOptions): Promise<void> {
    await impersonate(usable(this.#state), userId, options);
  }

  /** Goes back to the administrator's own session. False where nobody is impersonated. */
  async stopImpersonating(): Promise<boolean> {
    return stopImpersonating(usable(this.#state));
  }

  /** The administrator who acts as this session's user; undefined where the user does. */
  get actor(): Actor | undefined {
    return actorOf(look(this.#state));
  }

  /** When the session ends by itself, and when its remembered login does, which takes a read. */
  async endsAt(): Promise<EndsAt> {
    return endsAt(look(this.#state));
  }

  /** Makes this request a use of the session that is recorded in any case: the button "keep me signed in". */
  extend(): void {
    extend(usable(this.#state));
  }

  /** Makes this request no use of the session, as where a page only polls: it does not put off the idle end. */
  bePassive(): void {
    bePassive(usable(this.#state));
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
   * Calls `listener` once when the session has ended, in whatever process: signed out, revoked, stolen, given to another
   * sign-in, past its deadlines. Within a second where the store passes messages on, otherwise within `onEnd.poll`. Returns
   * the function that stops listening, to be called when the connection closes.
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
    refuseImpersonation(this.#state, "name a device");
    return nameDevice(this.#state.core, { handle, userId: signedIn(this.#state) }, name);
  }

  /** Ends one of this user's devices. False where the user has no such device. */
  async revoke(handle: string): Promise<boolean> {
    const userId = signedIn(this.#state);
    if (!isHandle("revoke", handle)) return false;
    if (handle === this.handle || handle === this.id) {
      await endTrust(this.#state.core, userId, "revoked", [this.handle], userOrigin(this.#state));
      await this.logout();
      return true;
    }
    return endDevice(this.#state.core, { handle, userId }, "revoked", userOrigin(this.#state));
  }

  /** Ends all other devices of this user; says how many. */
  async revokeOthers(): Promise<number> {
    const userId = signedIn(this.#state);
    const whom = { userId, except: standing.anchorOf(this.#state) };
    return keepingTrust(this.#state, userId, (kept) =>
      endDevices(this.#state.core, whom, "revoked", { kept, request: userOrigin(this.#state) }),
    );
  }

  toJSON(): object {
    return standing.described(look(this.#state));
  }

  /** A log is no answer: it does not count as looked at. */
  [inspect.custom](): string {
    return `Session ${inspect(standing.described(this.#state))}`;
  }
}

refuseAssignments(Session.prototype);
refuseCallbacks(Session.prototype, ["save", "reload", "regenerate", "renew", "logout", "destroy"]);
