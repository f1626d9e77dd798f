import { AuditRecorder, auditQuery } from "./account/audit.ts";
import { type Device, endDevice, endDevices, endEverything, listDevices } from "./account/devices.ts";
import { checkedErase, type Erased, type EraseOptions, eraseUser, hasRows } from "./account/erasure.ts";
import { exportUser, isEmptyExport, type UserExport } from "./account/export.ts";
import { checkedEntry, type OwnAuditEntry, ownEntry } from "./account/own-entries.ts";
import { type Why, type WhyQuery, why, whyQuery } from "./account/why.ts";
import { invalidOptions } from "./checks/faults.ts";
import { assertOptions, assertText, isHandle, isThenable } from "./checks/given.ts";
import { assertUserId, misspelt, otherSpelling } from "./checks/user-id.ts";
import { shortened } from "./data/keys.ts";
import type { SessionData } from "./data/typing.ts";
import { PsessionError, reasonOf } from "./errors.ts";
import { type EventName, Events, isEventName, type PsessionEvent, type PsessionEvents } from "./events.ts";
import type { PsessionOptions } from "./options/public.ts";
import { resolveOptions } from "./options/resolve.ts";
import type { Settings } from "./options/settings.ts";
import { refuseImpersonation, refuseWhileImpersonating } from "./request/acting.ts";
import { currentRequest } from "./request/context.ts";
import { makeCore } from "./request/core.ts";
import { Exchange, type MakeSession } from "./request/exchange.ts";
import { originOf, type RequestFacts } from "./request/facts.ts";
import { renew } from "./request/intents.ts";
import { MARK_OF_EVERYONE, markAt, markOfUser, rememberOwnMark } from "./request/marks.ts";
import { forgetClock, watchClock } from "./request/moment.ts";
import { anchorOf } from "./request/standing.ts";
import type { Core } from "./request/state.ts";
import { keepingTrust } from "./request/trust.ts";
import { Session } from "./session.ts";
import type { AuditEntry, AuditQuery } from "./stores/audit.ts";
import { isLoadingForCommand } from "./stores/command.ts";
import type { Mark, RevocationReason, UserId } from "./stores/store.ts";
import { warn, warnOfPlainHttp } from "./telemetry/warnings.ts";
import { type HeldLock, type LockOptions, resolveLock } from "./upkeep/locks.ts";
import { type Pruned, Pruner } from "./upkeep/prune.ts";

let openCore: (psession: Psession<object>) => Core;

/** What begins where the options are known. */
interface Running {
  readonly core: Core;
  readonly pruner: Pruner;
  readonly recorder: AuditRecorder | undefined;
}

/** @internal What a service is made of, for the command line. */
export const coreOf = (psession: Psession<object>): Core => openCore(psession);

/** The service that an application holds: one per process, handed to the integration of its framework. */
export class Psession<Data extends object = SessionData> {
  /** @internal */
  static {
    openCore = (psession) => psession.#core;
  }

  readonly #events = new Events();
  #make: (events: Events) => Core;
  readonly #onStart: ((core: Core) => void)[] = [];
  #running: Running | undefined;
  /** Of options that were replaced: their requests may still be under way. */
  readonly #replaced = new WeakSet<Core>();
  #isClosed = false;

  /** @internal */
  constructor(make: (events: Events) => Core) {
    this.#make = make;
  }

  get #core(): Core {
    return (this.#running ?? this.#start()).core;
  }

  /** With wrong options nothing begins: each use throws, and the first use after they are right begins. */
  #start(): Running {
    this.#assertOpen();
    const core = this.#make(this.#events);
    const { audit, clock } = core.settings;
    const recorder = audit && new AuditRecorder(core, audit);
    watchClock(clock);
    const pruner = new Pruner(core);
    pruner.start();
    this.#running = { core, pruner, recorder };
    for (const change of this.#onStart) change(core);
    return this.#running;
  }

  #assertOpen(): void {
    if (!this.#isClosed) return;
    throw new PsessionError("closed", "This psession was closed; it accepts no more requests.", {
      status: 503,
    });
  }

  /** @internal For integrations that keep more than a session per request. */
  get core(): Core {
    return this.#core;
  }

  /** @internal What has begun; undefined before the first use, which options that come late wait for. */
  get started(): Core | undefined {
    return this.#running?.core;
  }

  /** @internal For integrations that change what all requests share: now, or as soon as there is something. */
  whenStarted(change: (core: Core) => void): void {
    this.#onStart.push(change);
    if (this.#running !== undefined) change(this.#running.core);
  }

  /** Begins one request. For integrations; handlers get the session from their framework. */
  exchange(facts: RequestFacts): Exchange<Session<Data>>;
  /** @internal */
  exchange<S extends Session<Data>>(facts: RequestFacts, make: MakeSession<S>): Exchange<S>;
  exchange(
    facts: RequestFacts,
    make: MakeSession<Session<Data>> = (state) => new Session<Data>(state),
  ): Exchange<Session<Data>> {
    this.#assertOpen();
    return new Exchange(this.#core, facts, make);
  }

  /** @internal Whether a session is one of this service's. */
  keeps(session: Session<Data>): boolean {
    const { core } = Session.stateOf(session);
    return core === this.#running?.core || this.#replaced.has(core);
  }

  /** The names of the cookies, for code that reads them off a request that no integration sees. */
  get cookieNames(): Readonly<
    Record<"session" | "remember" | "device" | "trust" | "acting" | "bound", string>
  > {
    const { session, remember, device, trust, acting, bound } = this.#core.settings.cookies;
    return {
      session: session.name,
      remember: remember.name,
      device: device.name,
      trust: trust.name,
      acting: acting.name,
      bound: bound.name,
    };
  }

  /** The user's devices, the latest first; `current` marks this session's. */
  async devices(userId: UserId, current?: Session<Data>): Promise<Device[]> {
    this.#assertUserId(userId);
    if (current !== undefined && typeof current?.handle !== "string") throw noSession("devices: current");
    const devices = await listDevices(this.#core, userId, current);
    if (devices.length === 0) await this.#assertSpelling(userId);
    return devices;
  }

  /**
   * Ends any user's device by its handle: for administration. Routes for users call
   * `session.revoke`, which only ends that user's devices. False where there is no such device.
   */
  async revoke(handle: string, reason: RevocationReason = "revoked"): Promise<boolean> {
    assertText("revoke: reason", reason);
    return isHandle("revoke", handle) && endDevice(this.#core, { handle }, reason);
  }

  /** Ends every device of the session's user but this one; says how many. */
  async revokeOthers(session: Session<Data>): Promise<number> {
    this.#assertOwn("revokeOthers: session", session);
    return session.revokeOthers();
  }

  /**
   * Ends everything a user has; says how many devices. A sign-in whose credential was checked before is refused
   * (`proof_outdated`), except in the request that calls this.
   */
  async revokeUser(userId: UserId, reason: RevocationReason = "revoked"): Promise<number> {
    this.#assertUserId(userId);
    assertText("revokeUser: reason", reason);
    const ended = await endDevices(this.#core, { userId, mark: this.#mark(markOfUser(userId)) }, reason);
    if (ended === 0) await this.#assertSpelling(userId);
    return ended;
  }

  /**
   * Ends everyone's sessions and remembered logins, anonymous sessions too: for the day on which a key or the
   * database has leaked. Says how many devices; where it fails, call it again for the rest. Sign-ins whose credential was
   * checked before are refused, as with `revokeUser`.
   */
  async revokeEveryone(reason: RevocationReason = "revoked"): Promise<number> {
    assertText("revokeEveryone: reason", reason);
    const mark = this.#mark(MARK_OF_EVERYONE);
    return endEverything(this.#core, reason, mark);
  }

  /**
   * Deletes all that is kept about a user, for good: devices, remembered logins and what is left of ended ones, trust,
   * sign-ins that have begun, sessions in which they act as others or are acted as, and their entries of the audit trail.
   * `audit: "pseudonym"` keeps event and time of these. Delete the account first: a sign-in that is proved later is a new
   * one. Says how much there was; if it fails, call it again for the rest. docs/account/erasure.md says what remains.
   */
  async eraseUser(userId: UserId, options: EraseOptions = {}): Promise<Erased> {
    this.#assertUserId(userId);
    const checked = checkedErase(options);
    refuseWhileImpersonating("erase a user");
    const { core, recorder } = this.#running ?? this.#start();
    const erased = await eraseUser(core, recorder, userId, checked);
    const isNothing = erased.sessions + erased.logins + (erased.audit ?? 0) === 0;
    if (isNothing) await this.#assertSpelling(userId, "rows", (other) => hasRows(core, other));
    return erased;
  }

  /**
   * All that is kept about a user, as plain values that `JSON.stringify` takes: for "download my data". No secrets. The
   * format is in docs/account/erasure.md.
   */
  async exportUser(userId: UserId): Promise<UserExport> {
    this.#assertUserId(userId);
    const { core } = this.#running ?? this.#start();
    await this.flush();
    const exported = await exportUser(core, userId);
    if (isEmptyExport(exported)) await this.#assertSpelling(userId, "rows", (other) => hasRows(core, other));
    return exported;
  }

  /**
   * To be called when a password or another factor was changed: ends every device (ASVS 7.4.3). `keep` stays
   * signed in, with new secrets, as a copy of its cookies may be why the password was changed. `factor` says what was
   * changed, for the event `credentialChanged` (ASVS 6.3.7); default: "password". A sign-in whose credential was checked
   * before is refused (`proof_outdated`), except in the request that calls this: a reset by link signs in after it.
   */
  async passwordChanged(
    userId: UserId,
    options: { keep?: Session<Data>; factor?: string } = {},
  ): Promise<number> {
    this.#assertUserId(userId);
    assertOptions("passwordChanged", options, ["keep", "factor"]);
    // A session has no own properties, so `keep` would be missing and it would end too.
    if (options instanceof Session) throw invalidOptions("passwordChanged", ["give the session as { keep }"]);
    const { keep, factor = "password" } = options;
    if (keep !== undefined) this.#assertOwn("passwordChanged: keep", keep);
    assertText("passwordChanged: factor", factor);
    if (keep !== undefined && keep.userId !== userId) {
      throw new PsessionError("not_signed_in", "passwordChanged: keep must be a session of this user.", {
        status: 403,
      });
    }
    const kept = keep && Session.stateOf(keep);
    if (kept !== undefined) refuseImpersonation(kept, "change a factor");
    refuseWhileImpersonating("change a factor");
    const mark = this.#mark(markOfUser(userId), kept?.request);
    const except = kept && anchorOf(kept);
    const request = kept && originOf(kept.facts);
    const end = (trust?: string) =>
      endDevices(this.#core, { userId, except, mark }, "password_changed", { kept: trust, request });
    // A changed password leaves the trust in the browser that stays; any other factor is what it stood in for.
    const keepsTrust = kept !== undefined && factor === "password";
    const ended = keepsTrust ? await keepingTrust(kept, userId, end) : await end();
    if (ended === 0 && keep === undefined) await this.#assertSpelling(userId);
    if (kept !== undefined) await renew(kept, true);
    this.#core.events.emit("credentialChanged", {
      at: this.#core.settings.clock.now(),
      userId,
      factor,
      handle: keep?.handle,
      request,
      ended,
    });
    return ended;
  }

  /**
   * A lock by name, across all processes that share the store: for work that must not run twice at a time. It expires,
   * so it is advisory: do not rely on it for correctness. Throws `lock_timeout` where it is not acquired in time. A name
   * is text of 1 to 128 characters without control characters, compared exactly.
   */
  async lock(name: string, options: LockOptions = {}): Promise<HeldLock> {
    const limits = resolveLock(name, options);
    return this.#core.locks.take(`app/${name}`, limits);
  }

  /** Listens to an event, or with `*` to all; returns the function that stops listening. */
  on<K extends EventName>(
    type: K,
    listener: (event: { readonly type: K } & PsessionEvents[K]) => void | Promise<void>,
  ): () => void;
  on(type: "*", listener: (event: PsessionEvent) => void | Promise<void>): () => void;
  on(type: EventName | "*", listener: unknown): () => void {
    if (type !== "*" && !isEventName(type)) {
      const named = typeof type === "string" ? JSON.stringify(shortened(type)) : `that is a ${typeof type}`;
      throw new PsessionError("invalid_options", `psession.on: there is no event ${named}.`);
    }
    return this.#events.on(type as "*", listener as (event: PsessionEvent) => void);
  }

  /** Deletes rows past their deadline now, in chunks. Runs on a timer unless the option `prune` is false. */
  prune(): Promise<Pruned> {
    return (this.#running ?? this.#start()).pruner.pruneNow();
  }

  /** The audit trail, for entries of the application's own; `auditTrail` reads both kinds. */
  readonly audit: { add(entry: OwnAuditEntry): void } = { add: (entry) => this.#addEntry(entry) };

  /**
   * Adds an entry to the audit trail, behind the request: `flush` waits for it. It is kept as long as psession's own.
   * Throws `no_audit_trail` where there is none, and `invalid_options` for what is no entry.
   */
  #addEntry(given: OwnAuditEntry): void {
    const entry = checkedEntry(given);
    const { userId, session } = entry;
    if (userId !== undefined) this.#assertUserId(userId);
    const { core, recorder } = this.#running ?? this.#start();
    if (session !== undefined && !(session instanceof Session && this.keeps(session)))
      throw noSession("audit.add: session");
    if (recorder === undefined) throw noTrail();
    recorder.add(ownEntry(core, entry, session && Session.stateOf(session).facts.address));
  }

  /**
   * Entries of the store's audit trail, the newest first: what happened around one account, or around all. A page has
   * 100 entries unless `limit` says otherwise, and at most 10,000; `before` takes the id of the last one for the next
   * page. Throws `invalid_options` for a query that is not valid.
   */
  async auditTrail(given: Partial<AuditQuery> = {}): Promise<readonly AuditEntry[]> {
    const query = auditQuery(given);
    const { userId } = query;
    if (userId !== undefined) this.#assertUserId(userId);
    const trail = this.#core.settings.store.audit;
    if (trail === undefined) throw noTrail();
    await this.flush();
    const entries = await trail.read(query);
    // An empty result is normal on a later page, or within a range of time.
    const isAll = query.before === undefined && query.since === undefined;
    if (userId !== undefined && isAll && entries.length === 0) {
      await this.#assertSpelling(
        userId,
        "entries",
        async (other) => (await trail.read({ userId: other, limit: 1 })).length > 0,
      );
    }
    return entries;
  }

  /**
   * Why a user was signed out, the latest first, or that they still are signed in: of all of a user's devices, or of the one
   * of a handle or session. For developers and support; `session.endedBecause` is for the visitor. By the audit trail, if
   * the store keeps one, and rows; what cannot be known is said. Throws `invalid_options` for a query that is not valid.
   */
  async why(given: WhyQuery): Promise<Why[]> {
    const query = whyQuery(given);
    const { userId } = query;
    if (userId !== undefined) this.#assertUserId(userId);
    const core = this.#core;
    await this.flush();
    const found = await why(core, query);
    if (userId !== undefined && !found.some(({ handle }) => handle !== undefined))
      await this.#assertSpelling(userId);
    return found;
  }

  /**
   * Waits until the audit trail has all events so far, and other processes were told which sessions ended: for platforms
   * that stop a process between requests.
   */
  async flush(): Promise<void> {
    await Promise.all([this.#running?.recorder?.flush(), this.#running?.core.endings.flush()]);
  }

  /** Stops pruning, writes what is left for the audit trail, and releases the store. Calls no listener of `onEnd`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#running !== undefined) await release(this.#running);
  }

  /**
   * Begins anew with other options at the next use, without the listeners so far. Requests under way go on with the
   * old ones, whose handles are released after `patience` milliseconds. @internal
   */
  replaceOptions(make: (events: Events) => Core, patience: number): void {
    const old = this.#running;
    this.#make = make;
    this.#running = undefined;
    this.#events.clear();
    if (old === undefined) return;
    this.#replaced.add(old.core);
    const releaseOld = () => release(old).catch((error: unknown) => warnOfRelease(error));
    setTimeout(releaseOld, patience).unref();
  }

  /** From now on earlier proofs of a credential are refused, except those of this request. */
  #mark(name: string, request = currentRequest()): Mark {
    const { settings } = this.#core;
    const mark = markAt(name, settings.clock.now(), settings);
    if (request !== undefined) rememberOwnMark(request, mark);
    return mark;
  }

  /** Where a user has nothing: perhaps the id was given as the wrong type. */
  async #assertSpelling(
    userId: UserId,
    what = "devices",
    has = async (id: UserId) => (await listDevices(this.#core, id)).length > 0,
  ): Promise<void> {
    const other = otherSpelling(userId, this.#core.settings.store.userIds);
    if (other !== undefined && (await has(other))) throw misspelt(userId, what);
  }

  /** A session of another service, or a look-alike, would keep nothing: it would be ended with all others. */
  #assertOwn(what: string, session: unknown): void {
    if (!(session instanceof Session && this.keeps(session))) throw noSession(what);
  }

  #assertUserId(userId: unknown): void {
    assertUserId(userId, this.#core.settings.store.userIds);
  }
}

async function release({ core, pruner, recorder }: Running): Promise<void> {
  forgetClock(core.settings.clock);
  await pruner.stop();
  await Promise.all([recorder?.flush(), core.endings.flush()]);
  await core.endings.close();
  await core.settings.store.close?.();
}

const warnOfRelease = (error: unknown): void =>
  warn("PSESSION_RELEASE", `What earlier options had opened could not be closed: ${reasonOf(error)}`);

const noTrail = (): PsessionError =>
  new PsessionError(
    "no_audit_trail",
    "The store keeps no audit trail: give it the option audit: true, and run its migration.",
  );

const noSession = (what: string): PsessionError =>
  new PsessionError(
    "invalid_options",
    `${what} must be a session of this psession, as its handlers get it; with psession/express-session that is psessionOf(req).session.`,
  );

/**
 * Makes the service. Options are checked at once, and one error (`invalid_options`) names everything that is wrong with
 * them. A function that returns them is called at the first use, so that a build, which has no keys
 * and no database, may load the module; where it throws, so does that use, and the next use calls it again.
 */
export function createPsession<Data extends object = SessionData>(
  options: PsessionOptions | (() => PsessionOptions),
): Psession<Data> {
  if (typeof options === "function") return new Psession<Data>(coreMaker(options));
  const psession = new Psession<Data>(coreMaker(() => options));
  openCore(psession);
  return psession;
}

/** @internal */
export const coreMaker =
  (options: () => PsessionOptions) =>
  (events: Events): Core =>
    makeCore(settingsOf(options()), events);

function settingsOf(options: PsessionOptions): Settings {
  if (isThenable(options)) {
    options.then(undefined, () => {});
    throw invalidOptions("psession", [
      "options must be returned at once: an async function returns a promise",
    ]);
  }
  const settings = resolveOptions(options);
  // The commands report it in their own way, where it matters.
  if (!settings.cookies.session.secure && !isLoadingForCommand()) warnOfPlainHttp();
  return settings;
}
