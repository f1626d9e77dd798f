import { channel } from "node:diagnostics_channel";
import { assertFunction } from "./checks/given.ts";
import { reasonOf } from "./errors.ts";
import type { Level, RevocationReason, UserId } from "./stores/store.ts";
import { warn } from "./telemetry/warnings.ts";

interface Facts {
  /** Epoch milliseconds, by psession's clock. */
  readonly at: number;
}

/** Facts of a request; they say where something happened and hold no secret. */
export interface RequestOrigin {
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
}

interface OfSession extends Facts {
  readonly sessionId: string;
  readonly userId: UserId | undefined;
}

/** A user's session. `handle` names it in lists of devices. */
interface OfDevice extends OfSession {
  readonly handle: string;
  readonly request: RequestOrigin;
}

/** `bindingId` names the key; undefined where none was registered. `handle`: of the device, where there is one. */
interface OfKey extends Facts {
  readonly bindingId: string | undefined;
  readonly handle: string | undefined;
  readonly userId: UserId | undefined;
  readonly request: RequestOrigin;
}

interface OfImpersonation extends OfDevice {
  readonly userId: UserId;
  readonly actorId: UserId;
  readonly reason: string;
}

interface OfLogin extends Facts {
  readonly handle: string;
  readonly userId: UserId;
}

interface OfMisfit {
  readonly generation: number;
  readonly presentedGeneration: number;
  readonly hasEnded: boolean;
}

/** Every event psession emits. Names and fields are API. */
export interface PsessionEvents {
  /** A session row was stored for the first time. */
  created: OfSession;
  /** `methods`: what was proved, the latest first, as far as the application named it. */
  login: OfDevice & {
    readonly userId: UserId;
    readonly remembered: boolean;
    readonly methods: readonly string[];
  };
  /** A first factor was proved, and the sign-in waits for another (`session.begin`). Nobody is signed in yet. */
  signInBegun: OfDevice & { readonly userId: UserId; readonly methods: readonly string[] };
  /** A sign-in from a browser on which this user did not sign in before; with the option `devices.detectNew`. */
  newDevice: OfDevice & { readonly userId: UserId; readonly remembered: boolean };
  /**
   * A password or code was wrong, at a sign-in that `psession/attempts` counts. `userId`: undefined where there is no such
   * account; `known`: from a browser on which the user has signed in before.
   */
  signInFailed: Facts & {
    readonly userId: UserId | undefined;
    readonly what: "password" | "code";
    readonly known: boolean;
    readonly request: RequestOrigin;
  };
  /** A sign-in was not looked at, as too many had failed before. `by`: what was counted; `retryAfter`: in seconds. */
  signInThrottled: Facts & {
    readonly userId: UserId | undefined;
    readonly what: "password" | "code";
    readonly by: "account" | "browser" | "code" | "address";
    readonly retryAfter: number;
    readonly request: RequestOrigin;
  };
  /** A credential was proved again within a session; `methods` as for `login`. */
  reauthenticated: OfDevice & { readonly level: Level; readonly methods: readonly string[] };
  /** The user trusts this browser until then (`session.trust`): a second factor may be skipped on it. */
  trusted: OfDevice & { readonly userId: UserId; readonly until: number };
  /** An administrator (`actorId`) acts as a user from here on (`session.impersonate`), and does so no more. */
  impersonationBegan: OfImpersonation & { readonly until: number };
  impersonationEnded: OfImpersonation;
  /**
   * The user's browser has registered a key: from its first request with the short cookie on, the session counts there only.
   * With the option `deviceBound`.
   */
  bound: OfDevice & { readonly userId: UserId; readonly bindingId: string; readonly algorithm: string };
  /** The browser has proved that it holds the key. */
  boundRefreshed: OfKey;
  /**
   * A request or a proof was refused. unproved: a bound session's cookie came without a proof of its key: copied, or the
   * browser lost the key. stale: a proof over an older challenge, which the browser may repeat. registration: a key that
   * may not be registered: no challenge of ours, too late, or a session that is bound already. signature: the proof is wrong.
   */
  boundRefused: OfKey & { readonly why: "unproved" | "stale" | "registration" | "signature" };
  /** The browser went on without a proof, and says why, such as "unreachable" or "quota_exceeded". */
  boundSkipped: OfKey & { readonly reason: string };
  logout: OfDevice;
  /** A remember cookie brought a browser back. */
  restored: OfLogin & {
    readonly sessionId: string;
    readonly generation: number;
    readonly request: RequestOrigin;
  };
  /** As `restored`, from a token whose successor was never confirmed: a lost response, or two holders. Count these. */
  recovered: OfLogin & {
    readonly sessionId: string;
    readonly generation: number;
    readonly request: RequestOrigin;
  };
  /** A parallel request was given the successor that another one had made. */
  converged: OfLogin;
  /** A request was served without cookies, its token being too early for an exchange, or overtaken by one. */
  accepted: OfLogin;
  /**
   * A secret or token was not exchanged although it was due: the answer can carry no cookies, or the request is only
   * accepted. After a restore, the next answer that can exchanges it; other exchanges have to be asked for again.
   */
  rotationDeferred: Facts & {
    readonly sessionId: string | undefined;
    readonly userId: UserId | undefined;
    readonly handle: string;
    readonly what: "restore" | "regenerate" | "renew";
  };
  /**
   * A token that the browser had replaced came up to half an hour later from the same place: most likely a request that
   * the browser had held back. It got nothing, and nothing was ended.
   */
  stray: OfLogin & {
    readonly generation: number;
    readonly presentedGeneration: number;
    readonly request: RequestOrigin;
  };
  /**
   * A superseded token was presented, or (`by: "proof"`, both generations 0) a proof of another key than the one that the
   * session is bound to, with its cookie. The login and its session are ended.
   */
  theft: OfLogin & {
    readonly by: "token" | "proof";
    readonly generation: number;
    readonly presentedGeneration: number;
    /** The request that presented it, and where the login was last used. Either of the two may be the thief. */
    readonly request: RequestOrigin;
    readonly lastUsed: RequestOrigin & { readonly at: number };
    readonly endedLogins: number;
  };
  /** A session was used from another address or browser than options allow; see `session.onMismatch`. */
  moved: OfSession & {
    readonly what: "address" | "userAgent";
    readonly request: RequestOrigin;
    readonly before: RequestOrigin;
  };
  /** A session's secret was exchanged. */
  rotated: OfSession;
  /** The current token of a login is known to be on the browser's disk. */
  confirmed: OfLogin;
  /** A device was ended. */
  revoked: Facts & {
    readonly userId: UserId | undefined;
    readonly handle: string;
    readonly reason: RevocationReason;
    /**
     * The request of the user that ended it: from another device, or the sign-in or changed password that it made room
     * for. Undefined where the application or an administrator did.
     */
    readonly request: RequestOrigin | undefined;
  };
  /** A password or another factor was changed (`psession.passwordChanged`), and other devices were ended. */
  credentialChanged: Facts & {
    readonly userId: UserId;
    /** What was changed, as the application calls it. */
    readonly factor: string;
    /** The device that stays signed in, and the request that came from it. */
    readonly handle: string | undefined;
    readonly request: RequestOrigin | undefined;
    readonly ended: number;
  };
  /**
   * A user was erased (`psession.eraseUser`): whose id it was the caller knows, and nobody else is told. `audit`: entries,
   * undefined where they are elsewhere; `pseudonym`: what these have for a handle since, where they were kept.
   */
  userErased: Facts & {
    readonly sessions: number;
    readonly logins: number;
    readonly audit: number | undefined;
    readonly pseudonym: string | undefined;
  };
  /** All users' sessions and logins were ended; no `revoked` is emitted for each device. */
  revokedEveryone: Facts & { readonly count: number; readonly reason: RevocationReason };
  /** A cookie past its deadline was presented. */
  expired: Facts & { readonly handle: string; readonly userId: UserId | undefined };
  pruned: Facts & {
    readonly sessions: number;
    readonly logins: number;
    readonly audit: number;
    /** Addresses that were forgotten, by `privacy.keepAddresses`. */
    readonly addresses: number;
  };
  /** A save met a newer version and was merged onto it. */
  mergeRetried: OfSession & { readonly attempt: number };
  /** Two requests changed the same key; the later save won. */
  mergeConflict: OfSession & { readonly keys: readonly string[] };
  /** Changes were dropped: the session was ended or given to another user meanwhile. */
  saveDiscarded: OfSession & {
    readonly why: "ended" | "taken_over" | "replaced" | "moved" | "cross_site" | "stray" | "unproved";
  };
  /** A row was written by a clock that is further ahead than servers may differ. */
  clockSkew: Facts & { readonly handle: string };
  /** This process's clock (`at`) and the store's differ by more than servers may: it prunes nothing meanwhile. */
  clockDiffers: Facts & { readonly storeTime: number };
  /**
   * A remember cookie is newer than what was read of its row: the store lost writes, and the login was ended; or a
   * read was behind, and it was not.
   */
  generationAhead: OfLogin & OfMisfit;
  /** A remember cookie is of its row's generation and has another token: the store was split. That login was ended. */
  forked: OfLogin & OfMisfit;
  /** A request signed out with a replaced secret: its cookies are cleared, and no session ended. */
  logoutUnmatched: Facts & { readonly request: RequestOrigin };
  /** Several cookies of one name came along, and not exactly one had a valid MAC: none counted. */
  duplicateCookies: Facts & { readonly name: string };
  /** Cookies that look like psession's and fit no key, since the last such event: a key is missing, or they are forged. */
  unknownKeyCookies: Facts & { readonly count: number };
  /** A request over plain http got no session, because cookies are Secure. Usually an untrusted proxy. */
  insecureTransport: Facts;
  /** The data of a user's other session could not be decoded at a sign-in, which went on without it. */
  previousUnreadable: Facts & { readonly userId: UserId };
  storeUnavailable: Facts & { readonly error: unknown };
  /**
   * Audit entries were dropped: the sink has failed for too long, or refused one while it took others. `error` is the
   * reason it gave.
   */
  auditLost: Facts & { readonly count: number; readonly error: unknown };
}

/** What `psession.on` can listen to. */
export type EventName = keyof PsessionEvents;

/** Every event, for checks at run time; the compiler ensures that none is missing. */
export const EVENTS: { readonly [K in EventName]: true } = {
  created: true,
  login: true,
  signInBegun: true,
  newDevice: true,
  signInFailed: true,
  signInThrottled: true,
  reauthenticated: true,
  trusted: true,
  impersonationBegan: true,
  impersonationEnded: true,
  bound: true,
  boundRefreshed: true,
  boundRefused: true,
  boundSkipped: true,
  logout: true,
  restored: true,
  recovered: true,
  converged: true,
  accepted: true,
  rotationDeferred: true,
  stray: true,
  theft: true,
  moved: true,
  rotated: true,
  confirmed: true,
  revoked: true,
  credentialChanged: true,
  revokedEveryone: true,
  userErased: true,
  expired: true,
  pruned: true,
  mergeRetried: true,
  mergeConflict: true,
  saveDiscarded: true,
  clockSkew: true,
  clockDiffers: true,
  generationAhead: true,
  forked: true,
  logoutUnmatched: true,
  duplicateCookies: true,
  unknownKeyCookies: true,
  insecureTransport: true,
  previousUnreadable: true,
  storeUnavailable: true,
  auditLost: true,
};

export const isEventName = (name: unknown): name is EventName =>
  typeof name === "string" && Object.hasOwn(EVENTS, name);

/** Any event; `type` determines its other fields. */
export type PsessionEvent = { [K in EventName]: { readonly type: K } & PsessionEvents[K] }[EventName];
type Listener<K extends EventName> = (
  event: { readonly type: K } & PsessionEvents[K],
) => void | Promise<void>;

const channels = new Map<string, ReturnType<typeof channel>>();

/** Emits events to listeners and to `node:diagnostics_channel` ("psession:<type>"). */
export class Events {
  readonly #listeners = new Map<EventName | "*", Set<Listener<EventName>>>();

  /** Returns the function that ends the subscription. `*` hears everything. */
  on<K extends EventName>(type: K, listener: Listener<K>): () => void;
  on(type: "*", listener: (event: PsessionEvent) => void | Promise<void>): () => void;
  on(type: EventName | "*", listener: unknown): () => void {
    assertFunction("psession.on: listener", listener);
    const set = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, set);
    const entry = listener as Listener<EventName>;
    set.add(entry);
    return () => set.delete(entry);
  }

  /** Ends all subscriptions. */
  clear(): void {
    this.#listeners.clear();
  }

  emit<K extends EventName>(type: K, facts: PsessionEvents[K]): void {
    const event = { type, ...facts } as { type: K } & PsessionEvents[K];
    const diagnostics = channelOf(type);
    if (diagnostics.hasSubscribers) diagnostics.publish(event);
    for (const listeners of [this.#listeners.get(type), this.#listeners.get("*")]) {
      if (listeners === undefined) continue;
      for (const listener of listeners) callListener(listener as Listener<K>, event);
    }
  }
}

function channelOf(type: string): ReturnType<typeof channel> {
  let found = channels.get(type);
  if (found === undefined) {
    found = channel(`psession:${type}`);
    channels.set(type, found);
  }
  return found;
}

/** A listener that fails must not fail the request that emitted the event. */
export function callListener<E>(listener: (event: E) => void | Promise<void>, event: E): void {
  try {
    const result = listener(event);
    if (result instanceof Promise) result.catch(warnOf);
  } catch (error) {
    warnOf(error);
  }
}

const warnOf = (error: unknown): void =>
  warn("PSESSION_LISTENER", `A psession event listener failed: ${reasonOf(error)}`);
