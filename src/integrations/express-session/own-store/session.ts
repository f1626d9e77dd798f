import type { ServerResponse } from "node:http";
import { PsessionError } from "../../../errors.ts";
import { NO_SETTLEMENT, type Settlement } from "../../../http/settlement.ts";
import { setCookieLine } from "../cookie.ts";
import { storedCookie } from "../express-store.ts";
import type { OpenSession } from "../open-session.ts";
import type { SessionRequest } from "../request.ts";
import { dataOf, gone, Session } from "../session.ts";
import { type Presented, signed } from "../signature.ts";
import { isWritable, mergeInto, partsOf, textOf } from "../texts.ts";
import { Work } from "../work.ts";
import type { OwnStoreContext } from "./context.ts";

/** The state of one session object: a request that regenerates has several. */
interface Copy {
  id: string;
  /** The data as stored, or as the session began, by `textOf`. */
  base: string;
  /** The data as last written; undefined if it must be written in any case. */
  saved: string | undefined;
  user: unknown;
  /** A row exists, or existed. */
  isStored: boolean;
  /** It replaced another session in this request. */
  isSuccessor: boolean;
  /** The browser is getting a newer cookie: this session is not stored, and sets no cookie. */
  isLate: boolean;
  /** Another request ended it. */
  isLost?: boolean;
  /** Its row is deleted, and the next save or the response stores it under a new id. */
  isMoving?: boolean;
}

type AnySession = Session & Record<string, unknown>;

const NEW: Omit<Copy, "id"> = {
  base: "{}",
  saved: undefined,
  user: undefined,
  isStored: false,
  isSuccessor: false,
  isLate: false,
};

/** Values that reading leaves behind: `req.flash()` leaves an object without messages. */
const EMPTY: ReadonlySet<string> = new Set(["{}", "[]", "null"]);

/** One request, with its session in the application's own store. */
export class OwnStoreSession implements OpenSession {
  readonly core = undefined;
  readonly psession = undefined;
  readonly #context: OwnStoreContext;
  readonly #request: SessionRequest;
  readonly #response: ServerResponse | undefined;
  readonly #cookie: Presented | undefined;
  /** The id in it. */
  readonly #presented: string | undefined;
  readonly #copies = new WeakMap<object, Copy>();
  #latest: Copy | undefined;
  readonly #work = new Work();
  #canSetCookies: boolean | undefined;
  /** The session that the request began with. Differences count as modified, even if saved in between. */
  #opened: { readonly id: string; readonly text: string } | undefined;
  /** The last read: until the event loop turns, another read would give the same. */
  #read: { readonly id: string; readonly mark: number; readonly turn: number } | undefined;
  #hasTouched = false;
  /** The session has a user, or was changed, ended or lost. */
  #isPersonal = true;
  #hasEnded = false;

  constructor(
    context: OwnStoreContext,
    request: SessionRequest,
    response: ServerResponse | undefined,
    presented: Presented | undefined,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#cookie = presented;
    this.#presented = presented?.id;
  }

  async load(id: string): Promise<this> {
    const { store } = this.#context;
    const isLate = this.#context.wasReplaced(id);
    const { mark } = store;
    const stored = isLate ? undefined : await store.find(id);
    if (stored === undefined) this.#begin({ isLate });
    else {
      this.#adopt(id, stored);
      this.#read = { id, mark, turn: thisTurn() };
    }
    return this;
  }

  generate(): void {
    this.#begin({ isSuccessor: true });
  }

  owe(work: Promise<void>): void {
    this.#work.owe(work);
  }

  async save(session: object): Promise<void> {
    const copy = this.#copyOf(session as AnySession);
    const { store } = this.#context;
    await this.#work.track(() => store.inTurn(copy.id, () => this.#save(session as AnySession, copy, false)));
  }

  async reload(session: object): Promise<void> {
    const copy = this.#copyOf(session as AnySession);
    if (copy.isMoving) await this.save(session);
    const { id } = copy;
    const stored = await this.#context.store.find(id);
    if (stored === undefined) throw gone();
    this.#adopt(id, stored);
  }

  async destroy(session: object): Promise<void> {
    const copy = this.#copyOf(session as AnySession);
    this.#request.session = undefined;
    Reflect.deleteProperty(this.#request, "session");
    this.#hasEnded = true;
    await this.#work.track(() => this.#end(copy));
  }

  async regenerate(isUrgent: boolean): Promise<void> {
    const { session } = this.#request;
    const before = session ? this.#copyOf(session as AnySession) : undefined;
    if (isUrgent) this.generate();
    try {
      if (before !== undefined) await this.#work.track(() => this.#end(before));
    } finally {
      if (!isUrgent) this.generate();
    }
  }

  get isUnsaved(): boolean {
    const session = this.#request.session as AnySession | null | undefined;
    if (session === undefined || session === null || this.#work.isRunning || !isWritable(session))
      return false;
    const { saved, base } = this.#copyOf(session);
    return (saved ?? base) !== textOf(session);
  }

  commit(canSetCookies: boolean): Settlement | Promise<Settlement> {
    this.#canSetCookies = canSetCookies;
    const finish = (settlement: Settlement): Settlement => {
      this.#canSetCookies = false;
      if (!canSetCookies || this.#context.caching === "off") return settlement;
      return { ...settlement, caching: this.#isPersonal ? "private" : "varies" };
    };
    return this.#work.whenDone(() => {
      const settled = this.#commit(canSetCookies);
      return settled instanceof Promise ? settled.then(finish) : finish(settled);
    });
  }

  #commit(canSetCookies: boolean): Settlement | Promise<Settlement> {
    const { sessionID, session } = this.#request;
    if (session === undefined || session === null) return this.#unset(sessionID);
    if (typeof sessionID !== "string") return NO_SETTLEMENT;
    const current = session as AnySession;
    if (!(current.cookie instanceof Object)) {
      throw new PsessionError(
        "invalid_data",
        "req.session was replaced by something that is no session: set its properties, or call regenerate.",
      );
    }
    const copy = this.#copyOf(current);
    if (copy.isLost || (copy.isLate && this.#userOf(current) === undefined)) return NO_SETTLEMENT;
    const { settings, store } = this.#context;
    const isFirst = !this.#hasTouched;
    if (isFirst) current.touch?.();
    this.#hasTouched = true;

    const text = textOf(current);
    const isModified = copy.id !== this.#opened?.id || this.#opened.text !== text;
    this.#isPersonal = isModified || this.#userOf(current) !== undefined;
    const isNew = copy.id !== this.#presented;
    const isWritten = copy.saved === text;
    const savesNew = settings.saveUninitialized || copy.saved !== undefined || isModified;
    const setsCookie =
      canSetCookies &&
      (isNew
        ? settings.saveUninitialized || isModified
        : settings.rolling ||
          ((current.cookie.expires ?? null) !== null && isModified) ||
          this.#changesUser(current, copy));
    const settle = () => (setsCookie ? this.#settleCookie(current, copy) : NO_SETTLEMENT);
    if (!isWritten && (!isNew || savesNew)) return this.#saveLast(current, copy).then(settle);
    if (
      isFirst &&
      !isNew &&
      store.canTouch &&
      copy.saved === copy.base &&
      this.#context.isTouchDue(copy.id)
    ) {
      this.#context.touched(copy.id);
      return store.touch(copy.id, this.#image(current, copy)).then(settle);
    }
    return settle();
  }

  async #saveLast(session: AnySession, copy: Copy): Promise<void> {
    try {
      await this.#context.store.inTurn(copy.id, () => this.#save(session, copy, true));
    } catch (error) {
      if (!(error instanceof PsessionError && error.code === "session_ended")) throw error;
    }
  }

  /**
   * A stored session is read again first: other requests may have changed or ended it. If it was read in this turn of
   * the event loop, a second read would be no closer to the write.
   */
  async #save(session: AnySession, copy: Copy, isLast: boolean): Promise<void> {
    const { store } = this.#context;
    if (copy.isLate && this.#userOf(session) === undefined) return;
    if (copy.isStored && !this.#isJustRead(copy)) {
      const fresh = await store.find(copy.id);
      // A user who proves a credential gets a new session; other changes are dropped.
      const signsIn = this.#userOf(session) !== undefined && this.#changesUser(session, copy);
      if (fresh === undefined && !signsIn) {
        if (!this.#onlySignsOut(session, copy)) throw this.#lost(copy);
        // The request that ended the row has signed the user out.
        copy.isLost = true;
        copy.user = undefined;
        return;
      }
      const keys = fresh === undefined ? [] : mergeInto(session, copy.saved ?? copy.base, dataOf(fresh));
      if (keys.length > 0) this.#context.emit("mergeConflict", copy.id, { keys });
    }
    const text = textOf(session);
    if (this.#changesUser(session, copy)) {
      if (!isLast && this.#userOf(session) === undefined && this.#canSendCookie())
        return this.#leave(session, copy);
      await this.#exchange(session, copy);
    } else if (copy.isStored) await store.write(copy.id, this.#image(session, copy));
    else await store.insert(copy.id, this.#image(session, copy));
    copy.isStored = true;
    copy.isLate = copy.isMoving = false;
    copy.saved = text;
    copy.user = this.#userOf(session);
    this.#context.touched(copy.id);
  }

  #isJustRead({ id }: Copy): boolean {
    const read = this.#read;
    return read?.id === id && read.turn === thisTurn() && this.#context.store.isUnchanged(id, read.mark);
  }

  /**
   * A user signed in or out, and the application kept the session. An attacker may have planted its id
   * (session fixation, CWE-384), so the session moves to a new one.
   */
  async #exchange(session: AnySession, copy: Copy): Promise<void> {
    const { store, settings } = this.#context;
    if (!this.#canSendCookie()) {
      if (this.#userOf(session) === undefined) return store.write(copy.id, this.#image(session, copy));
      throw new PsessionError(
        "headers_already_sent",
        "Could not sign in: the session needs a new id, and this response can carry no cookie. Do it before writing.",
      );
    }
    const before = copy.id;
    const id = settings.genid(this.#request);
    if (id === before) return store.write(id, this.#image(session, copy));
    await store.insert(id, this.#image(session, { ...copy, id }));
    await store.destroy(before);
    this.#rename(session, copy, id);
  }

  /**
   * A sign-out that the handler saves is usually followed by `regenerate`, as in Passport. So the remaining data are
   * stored later, if they stay.
   */
  async #leave(session: AnySession, copy: Copy): Promise<void> {
    const { store, settings } = this.#context;
    const id = settings.genid(this.#request);
    const isMoving = id !== copy.id;
    // An application's `genid` may give the same id again.
    if (isMoving) await store.destroy(copy.id);
    else await store.write(id, this.#image(session, copy));
    copy.saved = isMoving ? undefined : textOf(session);
    copy.user = undefined;
    copy.isStored = !isMoving;
    copy.isMoving = isMoving;
    if (isMoving) this.#rename(session, copy, id);
  }

  #rename(session: AnySession, copy: Copy, id: string): void {
    copy.id = id;
    copy.isSuccessor = true;
    this.#request.sessionID = id;
    Object.defineProperty(session, "id", { value: id, configurable: true });
  }

  /** The user is gone from the data, and nothing was added. */
  #onlySignsOut(session: AnySession, copy: Copy): boolean {
    if (copy.user === undefined || this.#userOf(session) !== undefined) return false;
    const { user } = this.#context.settings;
    const parts = partsOf(copy.saved ?? copy.base);
    return [...partsOf(textOf(session))].every(([key, text]) => {
      const before = parts.get(key);
      if (text === before || EMPTY.has(text)) return true;
      // Passport leaves an object where the user was.
      return (
        before !== undefined && (user({ ...session, [key]: JSON.parse(before) }) ?? undefined) !== undefined
      );
    });
  }

  #changesUser(session: AnySession, copy: Copy): boolean {
    if (!copy.isStored || copy.id !== this.#presented) return false;
    return this.#userOf(session) !== copy.user && this.#context.canDeliver(this.#request, session.cookie);
  }

  #canSendCookie(): boolean {
    return this.#canSetCookies ?? (this.#response !== undefined && !this.#response.headersSent);
  }

  #userOf(session: AnySession): unknown {
    return this.#context.settings.user(session) ?? undefined;
  }

  #settleCookie(session: AnySession, copy: Copy): Settlement {
    const { name, noStore } = this.#context.settings;
    if (this.#context.store.hasEnded(copy.id) || !this.#context.canDeliver(this.#request, session.cookie)) {
      return NO_SETTLEMENT;
    }
    if (this.#presented !== undefined && copy.isSuccessor) this.#context.replaced(this.#presented);
    const value = signed(copy.id, this.#context.secretsFor(this.#request), this.#cookie);
    const { cookie } = session;
    this.#context.noteSent(this.#request, cookie);
    const maxAge = cookie.expires instanceof Date ? (cookie.originalMaxAge ?? cookie.maxAge) : undefined;
    return { setCookie: [setCookieLine(name, value, cookie, maxAge)], noStore };
  }

  #unset(id: unknown): Settlement | Promise<Settlement> {
    if (this.#context.settings.unset !== "destroy" || typeof id !== "string" || this.#hasEnded)
      return NO_SETTLEMENT;
    this.#hasEnded = true;
    return this.#context.store.inTurn(id, () => this.#context.store.destroy(id)).then(() => NO_SETTLEMENT);
  }

  async #end(copy: Copy): Promise<void> {
    const { store } = this.#context;
    // A session that was never stored need not be deleted.
    if (copy.isLost || (!copy.isStored && copy.id !== this.#presented)) return;
    await store.inTurn(copy.id, () => store.destroy(copy.id));
  }

  #lost(copy: Copy): PsessionError {
    if (!copy.isLost) this.#context.emit("saveDiscarded", copy.id, { why: "ended" });
    copy.isLost = true;
    return new PsessionError("session_ended", "The session was ended meanwhile; the change was not stored.", {
      status: 409,
    });
  }

  #begin({ isSuccessor = false, isLate = false }: Partial<Copy>): void {
    const request = this.#request;
    const id = this.#context.settings.genid(request);
    request.sessionID = id;
    const session = new Session(request) as AnySession;
    session.cookie = this.#context.newCookie(request);
    request.session = session;
    const isFirst = this.#opened === undefined;
    this.#opened ??= { id, text: NEW.base };
    this.#know(session, { ...NEW, id, isSuccessor: isSuccessor && !isFirst, isLate });
  }

  #adopt(id: string, stored: Record<string, unknown>): void {
    const request = this.#request;
    request.sessionID = id;
    const session = new Session(request, stored) as AnySession;
    session.cookie = storedCookie(stored, () => this.#context.newCookie(request));
    request.session = session;
    const base = textOf(session);
    this.#opened ??= { id, text: base };
    const saved = this.#context.settings.resave ? undefined : base;
    this.#know(session, { ...NEW, id, base, saved, user: this.#userOf(session), isStored: true });
  }

  /** The state of a session, also of one made elsewhere, such as by a store's own `createSession`. */
  #copyOf(session: AnySession): Copy {
    const known = this.#copies.get(session);
    if (known !== undefined) return known;
    const id = session.id ?? this.#request.sessionID;
    const before = this.#latest?.id === id ? this.#latest : { ...NEW, isStored: id === this.#presented };
    const { base, saved, user, isStored, isSuccessor, isLate } = before;
    return this.#know(session, { id, base, saved, user, isStored, isSuccessor, isLate });
  }

  #know(session: AnySession, copy: Copy): Copy {
    this.#copies.set(session, copy);
    this.#latest = copy;
    return copy;
  }

  /** A copy for the store, as stores add properties to it. */
  #image(session: AnySession, { id }: Copy): Session {
    return new Session({ sessionID: id, sessionStore: this.#context.sessionStore }, session);
  }
}

let turn = 0;
let isTurnWatched = false;

/** The number of the current turn of the event loop. */
function thisTurn(): number {
  if (!isTurnWatched) {
    isTurnWatched = true;
    setImmediate(endTurn);
  }
  return turn;
}

function endTurn(): void {
  isTurnWatched = false;
  turn++;
}
