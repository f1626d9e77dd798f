import { refuseAssignments } from "../../checks/assignments.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import { FollowedIdentity, type IdentityOf } from "../../integration/identity.ts";
import type { Keep } from "../../request/carry.ts";
import type { RequestState } from "../../request/state.ts";
import { Session } from "../../session.ts";

export type Callback = (error?: unknown) => void;

const COOKIE_ATTRIBUTES = new Set(
  "maxAge expires path domain secure httpOnly sameSite partitioned priority signed".split(" "),
);

/** `request.session`: psession's session, with the methods that plugins know from `@fastify/session`. */
export class FastifySession<Data extends object = SessionData> extends Session<Data> {
  #identity: FollowedIdentity<Data> | undefined;

  /** @internal */
  constructor(state: RequestState, identityOf: IdentityOf<Data> | undefined) {
    super(state);
    this.#identity = identityOf === undefined ? undefined : new FollowedIdentity(identityOf);
  }

  /** The row's id, as `id`: safe to show, worthless as a credential. */
  get sessionId(): string {
    return this.id;
  }

  override get data(): Partial<Data> {
    const data = super.data;
    this.#identity?.see(this, data);
    return data;
  }

  override async update<R>(change: (data: Partial<Data>) => R): Promise<R> {
    // Makes the user before the change known to `followIdentity`.
    void this.data;
    return super.update(change);
  }

  /** True if there are changes to save. */
  isModified(): boolean {
    return this.hasChanges;
  }

  /** True if the store has this session as it is now. */
  isSaved(): boolean {
    return !this.isNew && !this.hasChanges;
  }

  /** Does nothing: a request that opens its session counts as a use of it. */
  touch(): void {}

  /** Refuses attributes of cookies, which are an option of `createPsession`; ignores anything else. */
  options(options: object): void {
    const refused = Object.keys(options).filter((name) => COOKIE_ATTRIBUTES.has(name));
    if (refused.length === 0) return;
    throw new PsessionError(
      "invalid_options",
      `session.options: ${refused.join(", ")} cannot be set per request. Cookies are configured in createPsession; ` +
        "for a sign-in that outlives the browser, use session.login(userId, { remember: true }).",
    );
  }

  /**
   * Called as in `@fastify/session`: begins anew with only the named top-level keys, and the old secret is worthless
   * at once. With `{ keep }` it is psession's own `regenerate`, which keeps everything unless `keep` says otherwise.
   */
  override regenerate(options: { keep?: Keep<Data> }): Promise<void>;
  override regenerate(keys?: readonly string[]): Promise<void>;
  override regenerate(callback: Callback): void;
  override regenerate(keys: readonly string[], callback: Callback): void;
  override regenerate(
    first?: { keep?: Keep<Data> } | readonly string[] | Callback,
    callback?: Callback,
  ): Promise<void> | undefined {
    if (typeof first === "function") return called(this.#beginAnew([]), first);
    if (isList(first) || first === undefined) return called(this.#beginAnew(first ?? []), callback);
    return super.regenerate(first);
  }

  /** As `reload` of `@fastify/session`: unsaved changes are dropped. */
  override reload(): Promise<void>;
  override reload(callback: Callback): void;
  override reload(callback?: Callback): Promise<void> | undefined {
    return called(super.reload(), callback);
  }

  override save(): Promise<void>;
  override save(callback: Callback): void;
  override save(callback?: Callback): Promise<void> | undefined {
    return called(super.save(), callback);
  }

  /** Ends session and remembered login with the response; until then, the session refuses further use. */
  override destroy(): Promise<void>;
  override destroy(callback: Callback): void;
  override destroy(callback?: Callback): Promise<void> | undefined {
    this.#identity = undefined;
    return called(super.destroy(), callback);
  }

  /** @internal */
  followIdentity(): Promise<void> | undefined {
    return this.#identity?.follow(this);
  }

  async #beginAnew(keys: readonly string[]): Promise<void> {
    const { data } = this;
    const entries = Object.entries(data).filter(([key]) => keys.includes(key));
    const kept = Object.fromEntries(entries) as Partial<Data>;
    if (this.isSignedIn && !this.#identity?.isDroppedBy(kept)) {
      await super.regenerate({ keep: Object.keys(kept) as (keyof Data & string)[] });
      return this.renew();
    }
    await this.logout();
    Object.assign(this.data, kept);
  }
}

/** Properties of `@fastify/session` that are missing here: undefined, they would cause errors elsewhere. */
const ELSEWHERE = {
  cookie:
    "session.cookie is not there: cookies and their lives are options of createPsession (cookies, session.idle, " +
    "session.absolute), and a sign-in that outlives the browser is session.login(userId, { remember: true }).",
  encryptedSessionId:
    "session.encryptedSessionId is not there: the session's secret is in its cookie only. fastify.decryptSession takes " +
    "that, as request.headers.cookie has it; what may be shown of a session is session.sessionId.",
} as const;

for (const [name, message] of Object.entries(ELSEWHERE)) {
  Object.defineProperty(FastifySession.prototype, name, { configurable: true, get: () => absent(message) });
}
refuseAssignments(FastifySession.prototype);

export function absent(message: string): never {
  throw new PsessionError("invalid_options", message);
}

export function called<T>(work: Promise<T>, callback: Callback | undefined): Promise<T> | undefined {
  if (callback === undefined) return work;
  // Outside of the promise, or an error of the callback would be an unhandled rejection.
  work.then(
    () => process.nextTick(callback, undefined),
    (error: unknown) => process.nextTick(callback, error),
  );
  return undefined;
}

const isList = (value: unknown): value is readonly string[] => Array.isArray(value);
