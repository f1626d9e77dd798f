import { type DataRecord, jsonCodec } from "../../../data/codec.ts";
import { refuseKey } from "../../../data/keys.ts";
import { PsessionError } from "../../../errors.ts";
import type { Settlement } from "../../../http/settlement.ts";
import { signIn } from "../../../integration/identity.ts";
import type { Psession } from "../../../psession.ts";
import { bindToSession } from "../../../request/acting.ts";
import type { Exchange } from "../../../request/exchange.ts";
import { Session as CoreSession } from "../../../session.ts";
import type { UserId } from "../../../stores/store.ts";
import type { OpenSession } from "../open-session.ts";
import type { SessionRequest } from "../request.ts";
import { fill, gone, type Session } from "../session.ts";
import { SignInSession } from "../sign-in.ts";
import { isWritable, sameTexts, type Texts, textsOf } from "../texts.ts";
import { Work } from "../work.ts";
import type { PsessionContext, Takeover } from "./context.ts";
import { throughJson } from "./json.ts";

/** The key of the middleware's own values in the stored data: applications cannot have data of that name. */
const RESERVED = "cookie";

/** Methods that neither read nor change the data. */
const AT_ONCE: ReadonlySet<string> = new Set([
  "isFresh",
  "isKeyProved",
  "isAlive",
  "onEnd",
  "endsAt",
  "extend",
  "bePassive",
  "isTrusted",
]);
/** Methods that store something beside the session: where they fail, what the handler did before stays. */
const BESIDE: ReadonlySet<string> = new Set(["trust", "distrust", "nameDevice"]);
/** Methods that sign in or out: from then on the user in the data does not count. */
const SIGNING: ReadonlySet<string> = new Set(["login", "begin", "complete", "logout", "revoke"]);
/** Methods by which the user has proved a credential in this request. */
const PROVING: ReadonlySet<string> = new Set(["login", "begin", "complete"]);

interface Reserved {
  /** The cookie's life, if it is not the usual one. */
  originalMaxAge?: number | null;
  /** The data signed the user in, and can sign the user out. */
  signedByData?: boolean;
}

type AnySession = Session & Record<string, unknown>;

/** One request, with its session in a psession store. */
export class PsessionStoreSession implements OpenSession {
  readonly core: CoreSession<object>;
  readonly #context: PsessionContext;
  readonly #request: SessionRequest;
  readonly #exchange: Exchange<CoreSession<object>>;
  readonly #work = new Work();
  /** By session object: how often the request had regenerated. */
  readonly #generations = new WeakMap<object, number>();
  /** By session object: the default life of its cookie. */
  readonly #usualLives = new WeakMap<object, number | null>();
  /** Empty session objects that the handler saved: it wants them stored. */
  readonly #saved = new WeakSet<object>();
  readonly #opened: Texts;
  #generation = 0;
  /** The data of psession's session at the last pull or push. */
  #known: Texts = new Map();
  #user: UserId | undefined;
  #isRegenerated = false;
  /** The handler signed in or out by psession's methods: the user in the data does not count. */
  #signsItself = false;
  /** The user proved a credential in this request. */
  #isProven = false;
  /** The user in the data was signed in. */
  #isSignedByData = false;
  #hasEnded = false;
  #hasTouched = false;
  #takeover: Takeover | undefined;

  constructor(
    context: PsessionContext,
    request: SessionRequest,
    exchange: Exchange<CoreSession<object>>,
    core: CoreSession<object>,
    takeover: Takeover | undefined,
    canSetCookies: boolean,
  ) {
    this.#context = context;
    this.#request = request;
    this.#exchange = exchange;
    this.core = core;
    bindToSession(CoreSession.stateOf(core));
    this.#takeover = takeover;
    const session = this.#present();
    if (takeover?.data !== undefined) this.#takeOver(session, takeover.data, canSetCookies);
    this.#opened = this.#known;
    this.#user = this.#userOf(session);
  }

  get psession(): Psession<object> {
    return this.#context.psession;
  }

  generate(): void {
    this.#isRegenerated = true;
    this.#generation++;
    if (this.core.isNew) this.core.replaceSecret();
    this.#replace({});
  }

  async regenerate(_isUrgent: boolean): Promise<void> {
    // The rows change with the next save: until then nothing has to be undone if the handler fails.
    this.generate();
  }

  owe(work: Promise<void>): void {
    this.#work.owe(work);
  }

  async save(session: object): Promise<void> {
    await this.#work.track(() => this.#save(session as AnySession));
  }

  async reload(_session: object): Promise<void> {
    await this.#work.track(async () => {
      // In express-session, a session that was never stored cannot be reloaded.
      if (this.core.isNew) throw gone();
      await this.core.reload().catch((error: unknown) => {
        throw error instanceof PsessionError && error.code === "session_ended" ? gone() : error;
      });
      const session = this.#present();
      this.#user = this.#userOf(session);
    });
  }

  async destroy(_session: object): Promise<void> {
    Reflect.deleteProperty(this.#request, "session");
    this.#hasEnded = true;
    await this.#work.track(async () => {
      await this.core.logout();
      await this.core.save();
      const { successorId } = this.#takeover ?? {};
      await this.#endFormer();
      // A parallel request may have taken it over meanwhile.
      if (successorId !== undefined) await this.psession.revoke(successorId, "logout");
    });
  }

  call(name: string, values: readonly unknown[]): unknown {
    const { core } = this;
    const method = core[name as "login"] as (...values: readonly unknown[]) => unknown;
    const work = () => Reflect.apply(method, core, values);
    if (AT_ONCE.has(name)) return work();
    if (BESIDE.has(name)) return this.#work.track(async () => work());
    // No other request has the new session.
    if (name === "exclusive" && this.#isRegenerated) return Promise.resolve();
    return this.#work.track(async () => {
      const session = this.#request.session as AnySession | undefined;
      const call = () => this.#call(name, values, session);
      return session === undefined ? call() : this.#attempt(session, call);
    });
  }

  async #call(name: string, values: readonly unknown[], session: AnySession | undefined): Promise<unknown> {
    const { core } = this;
    const method = core[name as "login"] as (...values: readonly unknown[]) => unknown;
    // Stored as by a save: after regenerate, under a new secret only.
    if (session !== undefined && name === "update") await this.#prepare(session, false);
    else if (session !== undefined) this.#push(session);
    const isJson = this.psession.core.settings.codec === jsonCodec;
    const given = isJson ? throughJson(name, values) : values;
    const result: unknown = await Reflect.apply(method, core, given);
    this.#signsItself ||= SIGNING.has(name);
    this.#isProven ||= PROVING.has(name);
    if (session !== undefined) this.#pull(session);
    return result;
  }

  get isUnsaved(): boolean {
    const session = this.#request.session as AnySession | null | undefined;
    if (session === undefined || session === null || this.#work.isRunning || !isWritable(session))
      return false;
    const { [RESERVED]: _reserved, ...known } = Object.fromEntries(this.#known);
    return !sameTexts(new Map(Object.entries(known)), textsOf(session));
  }

  commit(canSetCookies: boolean): Settlement | Promise<Settlement> {
    return this.#work.whenDone(() => this.#commit(canSetCookies));
  }

  #commit(canSetCookies: boolean): Settlement | Promise<Settlement> {
    const session = this.#request.session as AnySession | null | undefined;
    if (session === undefined || session === null) {
      const ends = this.#context.settings.unset === "destroy" && !this.#hasEnded;
      this.#hasEnded ||= ends;
      const ended = ends ? this.core.logout() : undefined;
      return ended === undefined
        ? this.#settle(canSetCookies)
        : ended.then(() => this.#settle(canSetCookies));
    }
    if (!this.#hasTouched) session.touch();
    this.#hasTouched = true;
    return this.#attempt(session, () => {
      const prepared = this.#prepare(session, true);
      if (prepared === undefined) return this.#settle(canSetCookies, session);
      return prepared.then(() => this.#settle(canSetCookies, session));
    });
  }

  #settle(canSetCookies: boolean, session?: AnySession): Settlement | Promise<Settlement> {
    if (session !== undefined) this.#live(session);
    const isThere = canSetCookies ? this.#isStillThere() : undefined;
    if (isThere === undefined) return this.#finish(canSetCookies);
    return isThere.then(async (holds) => {
      if (!holds) await this.core.logout();
      return this.#finish(canSetCookies);
    });
  }

  /** Asked only if a session is about to be taken over; a user who proved a credential gets one in any case. */
  #isStillThere(): Promise<boolean> | undefined {
    const takeover = this.#takeover;
    const isPending = takeover?.data !== undefined && this.core.isNew && !this.#isProven;
    return isPending ? this.#context.isStillThere(takeover) : undefined;
  }

  #finish(canSetCookies: boolean): Settlement | Promise<Settlement> {
    const committed = this.#exchange.commit({ canSetCookies });
    const dress = (settlement: Settlement) => this.#context.dress(this.#request, settlement);
    const settled = committed instanceof Promise ? committed.then(dress) : dress(committed);
    // Parallel requests do it too: the old row must be gone before its cookie is replaced.
    if (this.#takeover === undefined || !canSetCookies) return settled;
    return Promise.resolve(settled).then(async (settlement) => {
      await this.#endFormer();
      return settlement;
    });
  }

  async #save(session: AnySession): Promise<void> {
    if (this.#generations.get(session) !== this.#generation) throw gone();
    const isUntouched = this.core.isNew && this.#generation === 0 && this.#known.size === 0;
    if (isUntouched && !hasData(session)) this.#saved.add(session);
    await this.#attempt(session, async () => {
      await this.#prepare(session, false);
      if ((await this.#isStillThere()) === false) throw gone();
      this.#live(session);
      await this.core.save();
    });
    // After a sign-out there is no row: the remaining data are stored with the response.
    if (!this.core.isNew) this.#pull(session);
  }

  /**
   * After a failure, the next save or the response tries again: if a failed sign-in counted as done, its data would be
   * stored under a secret that an attacker may have planted. A failed sign-in by psession's methods is taken back,
   * together with the data it brought into `req.session`.
   */
  #attempt<T>(session: AnySession, work: () => T | Promise<T>): T | Promise<T> {
    const { userId, pending } = this.core;
    const [user, known, signsItself] = [this.#user, this.#known, this.#signsItself];
    const [isRegenerated, isProven, isSignedByData] = [
      this.#isRegenerated,
      this.#isProven,
      this.#isSignedByData,
    ];
    const undo = (error: unknown): never => {
      this.core.takeBack();
      [this.#user, this.#known, this.#signsItself] = [user, known, signsItself];
      [this.#isRegenerated, this.#isProven, this.#isSignedByData] = [isRegenerated, isProven, isSignedByData];
      const isUndone = this.core.userId !== userId || this.core.pending?.userId !== pending?.userId;
      if (signsItself && isUndone) {
        this.#pull(session);
        this.#user = this.#userOf(session);
        this.#signsItself = this.#isProven = false;
      }
      throw error;
    };
    try {
      const result = work();
      return result instanceof Promise ? result.catch(undo) : result;
    } catch (error) {
      return undo(error);
    }
  }

  /**
   * Puts the data into psession's session, and signs their user in or out. Gives a promise only if that changed, to not
   * hold up a plain request.
   */
  #prepare(session: AnySession, isFinal: boolean): Promise<void> | undefined {
    const user = this.#userOf(session);
    // After a sign-in by psession's methods, the data neither sign out nor switch users.
    const isOwn = !this.#isRegenerated && this.core.isSignedIn && !this.#isSignedByData;
    const isSigned = this.#signsItself || isOwn || (!this.#isRegenerated && user === this.#user);
    const isRegenerated = this.#isRegenerated;
    this.#user = user;
    if (isSigned) {
      if (this.#signsItself) this.#isSignedByData = false;
      this.#signsItself = this.#isRegenerated = false;
      this.#push(session);
      return undefined;
    }
    return this.#sign(session, user, isRegenerated, isFinal);
  }

  async #sign(
    session: AnySession,
    user: UserId | undefined,
    isRegenerated: boolean,
    isFinal: boolean,
  ): Promise<void> {
    const { core } = this;
    this.#isSignedByData = user !== undefined;
    // The pushed data belong to the next step.
    core.setCheckpoint();
    if (user !== undefined) {
      this.#isProven = true;
      this.#push(session);
      // After regenerate, changes that other requests made to the old row are not carried over.
      await signIn(core, user, isRegenerated ? { carry: (own) => own, previous: null } : { carry: "all" });
    } else if (core.isSignedIn || (!core.isNew && (!isRegenerated || !hasData(session)))) {
      await core.logout();
      this.#known = new Map();
      // The remaining data go to a new session with the response: the handler may still discard them.
      if (!isFinal) return;
      this.#push(session);
    } else {
      this.#push(session);
      if (!core.isNew) core.replaceSecret();
    }
    this.#isRegenerated = false;
  }

  #push(session: AnySession): void {
    const now = this.#textsOf(session);
    const data = this.core.data as DataRecord;
    for (const key of new Set([...this.#known.keys(), ...now.keys()])) {
      const text = now.get(key);
      if (text === this.#known.get(key)) continue;
      refuseKey(key);
      if (text === undefined) delete data[key];
      else data[key] = JSON.parse(text);
    }
    this.#known = now;
  }

  /** Shows the handler changes of other requests that were merged. */
  #pull(session: AnySession): void {
    const data = this.core.data as DataRecord;
    const before = textsOf(session);
    const after = textsOf(data);
    for (const key of before.keys()) if (!after.has(key)) delete session[key];
    const changed = [...after.keys()].filter((key) => before.get(key) !== after.get(key));
    fill(session, Object.fromEntries(changed.map((key) => [key, data[key]])));
    this.#known = rawTexts(data);
  }

  #textsOf(session: AnySession): Texts {
    const texts = new Map(textsOf(session));
    const { originalMaxAge } = session.cookie;
    const maxAge = typeof originalMaxAge === "number" ? originalMaxAge : null;
    // Compared with the life at the start: if all cookies end at one date, it is less by now.
    const isUsual = maxAge === (this.#usualLives.get(session) ?? null);
    const isKept =
      (this.#context.settings.saveUninitialized || this.#saved.has(session)) &&
      this.core.outcome !== "insecure";
    const reserved: Reserved = {
      ...(isUsual && !isKept ? {} : { originalMaxAge: maxAge }),
      ...(this.#isSignedByData ? { signedByData: true } : {}),
    };
    if (Object.keys(reserved).length > 0) texts.set(RESERVED, JSON.stringify(reserved));
    return texts;
  }

  /** The store keeps a session as long as its cookie lives. */
  #live(session: AnySession): void {
    const { rolling } = this.#context.settings;
    const { originalMaxAge } = session.cookie;
    // A `maxAge` that is no number must not make a session that never ends.
    const maxAge = Number.isFinite(originalMaxAge) ? Math.max(0, Number(originalMaxAge)) : undefined;
    const isModified = !sameTexts(this.#opened, this.#known);
    const resend = this.#takeover !== undefined || rolling || (maxAge !== undefined && isModified);
    if (maxAge === undefined && !resend) return;
    const { idle } = this.#context.psession.core.settings.session;
    this.#exchange.live({ idle: Math.max(1, Math.ceil(maxAge ?? idle)), maxAge, resend });
  }

  #present(): AnySession {
    const { [RESERVED]: cookie, ...data } = this.core.data as DataRecord;
    this.#known = rawTexts(this.core.data);
    const session = this.#replace(data);
    const { originalMaxAge, signedByData = false } = (cookie ?? {}) as Reserved;
    if (originalMaxAge !== undefined) session.cookie.maxAge = originalMaxAge;
    this.#isSignedByData = signedByData;
    return session;
  }

  #replace(data: object): AnySession {
    const request = this.#request;
    request.sessionID = this.core.id;
    const session = new SignInSession(request, data) as unknown as AnySession;
    session.cookie = this.#context.newCookie(request);
    this.#usualLives.set(session, session.cookie.originalMaxAge);
    request.session = session;
    this.#generations.set(session, this.#generation);
    return session;
  }

  #takeOver(session: AnySession, former: Record<string, unknown>, canSetCookies: boolean): void {
    const { cookie, ...data } = former;
    fill(session, data);
    const life = (cookie as { originalMaxAge?: number | null } | undefined)?.originalMaxAge;
    if (typeof life === "number") session.cookie.maxAge = life;
    if (!canSetCookies) return;
    const user = this.#userOf(session);
    this.#isSignedByData = user !== undefined;
    this.#push(session);
    if (user !== undefined) this.core.takeOver(user);
  }

  async #endFormer(): Promise<void> {
    const { id } = this.#takeover ?? {};
    if (id === undefined) return;
    this.#takeover = undefined;
    await this.#context.former?.destroy(id);
  }

  #userOf(session: AnySession): UserId | undefined {
    return this.#context.settings.user({ ...session }) ?? undefined;
  }
}

const hasData = (session: AnySession): boolean => Object.keys(session).some((key) => key !== "cookie");

/** With the reserved key, which `textsOf` leaves out as the cookie. */
function rawTexts(data: object): Texts {
  const texts = new Map(textsOf(data));
  const { [RESERVED]: reserved } = data as DataRecord;
  if (reserved !== undefined) texts.set(RESERVED, JSON.stringify(reserved));
  return texts;
}
