import type { Flash } from "../../data/flash.ts";
import type { TempData } from "../../data/temp.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import type { RequestState } from "../../request/state.ts";
import { use } from "../../request/use.ts";
import { Session } from "../../session.ts";

/** Data as components get it. */
export type DeepReadonly<T> = T extends (...given: never) => unknown
  ? T
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

type Reads =
  | "actor"
  | "authenticatedAt"
  | "claims"
  | "devices"
  | "endsAt"
  | "handle"
  | "has"
  | "id"
  | "isAlive"
  | "isCsrfToken"
  | "isFresh"
  | "isKeyProved"
  | "isNew"
  | "isPersistent"
  | "isSignedIn"
  | "isTrusted"
  | "keyProvedAt"
  | "level"
  | "onEnd"
  | "outcome"
  | "pending"
  | "presentedHandle"
  | "proofs"
  | "toJSON"
  | "userId";

/** A session in a server component: what changes something is missing, and throws where code calls it all the same. */
export interface ReadSession<Data extends object = SessionData> extends Pick<Session<Data>, Reads> {
  /** A frozen copy. */
  readonly data: DeepReadonly<Partial<Data>>;
  readonly flash: Pick<Flash, "get" | "all" | "keys">;
  readonly temp: Pick<TempData, "get" | "has" | "expiresAt" | "keys">;
  get<K extends keyof Data & string>(key: K): DeepReadonly<Data[K]> | undefined;
  get(path: string): unknown;
}

const READS = new Set<string>([
  "askForKeyProof",
  "constructor",
  "devices",
  "endsAt",
  "get",
  "has",
  "isAlive",
  "isCsrfToken",
  "isFresh",
  "isKeyProved",
  "isTrusted",
  // The kit's own, for guards.
  "noteGuard",
  "onEnd",
  "toJSON",
]);

const READS_OF_FLASH = new Set(["get", "all", "keys"]);
const READS_OF_TEMP = new Set(["get", "has", "expiresAt", "keys"]);

/** Components cannot set cookies, and what they change would be lost. */
const readOnly = (name: string): never => {
  throw new PsessionError(
    "read_only",
    `${name} changes the session, which a server component cannot do: ` +
      "call it in a server action wrapped in action(), or in a route handler wrapped in route().",
  );
};

/** The same session without what changes it. `onTake` is called where a message is taken to be shown. */
export class ComponentSession<Data extends object> extends Session<Data> {
  readonly #state: RequestState;
  readonly #onTake: () => void;
  #data: Partial<Data> | undefined;

  constructor(state: RequestState, onTake: () => void) {
    super(state);
    this.#state = state;
    this.#onTake = onTake;
  }

  /** A page cannot take a cookie away: its guard leads to where that is done. */
  override askForKeyProof(): void {}

  override get data(): Partial<Data> {
    const tracked = use(this.#state);
    this.#data ??= frozen(tracked.decode(tracked.encoded())) as Partial<Data>;
    return this.#data;
  }

  override get flash(): Flash {
    return facade(super.flash, "session.flash", READS_OF_FLASH, (name) => {
      if (name !== "keys") this.#onTake();
    });
  }

  override get temp(): TempData {
    return facade(super.temp, "session.temp", READS_OF_TEMP);
  }
}

for (let prototype = Session.prototype as object; ; prototype = Object.getPrototypeOf(prototype) as object) {
  const methods = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(
    ([name, { value }]) => typeof value === "function" && !READS.has(name),
  );
  for (const [name] of methods) {
    const value = () => readOnly(`session.${name}()`);
    Object.defineProperty(ComponentSession.prototype, name, { value, configurable: true, writable: true });
  }
  if (Object.hasOwn(prototype, "flash")) break;
}

/** `target` with the named methods only. */
function facade<T extends object>(
  target: T,
  what: string,
  reads: ReadonlySet<string>,
  onRead: (name: string) => void = () => {},
): T {
  return new Proxy(target, {
    get(_target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (typeof name === "string" && !reads.has(name)) return () => readOnly(`${what}.${name}()`);
      return (...given: unknown[]) => {
        onRead(String(name));
        return Reflect.apply(value, target, given) as unknown;
      };
    },
  });
}

const MUTATOR = /^(?:set|add|delete|clear)/;

/** However deep. The methods of a Map, a Set or a Date that change it are taken away, as they ignore that. */
function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value))
    return value;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(value) ?? {})) {
      if (!MUTATOR.test(name)) continue;
      Object.defineProperty(value, name, { value: () => readOnly(`${name}() on session.data`) });
    }
    if (value instanceof Map || value instanceof Set) for (const item of value.values()) frozen(item);
  }
  for (const item of Object.values(value)) frozen(item);
  return Object.freeze(value);
}
