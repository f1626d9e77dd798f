import type { ServerResponse } from "node:http";
import { warn } from "../../telemetry/warnings.ts";
import { hasStatusMessage, headersSent } from "./rules.ts";

export type Method = (...values: unknown[]) => unknown;

const HEADER_METHODS = ["setHeader", "appendHeader", "removeHeader", "setHeaders"] as const;

/** The key at which a response has its `FixableResponse`: the latest, where there are several. */
export const HOLDER = Symbol("psession.holder");

/** The key of the one that has fixed the head; undefined while the head is free. */
const FIXER = Symbol("psession.fixer");

/** In place of a head that is decided: middleware, and Node itself, look at `_header` for whether there is one. */
const HEAD_TO_COME = "HTTP/1.1 head to come\r\n\r\n";

/** `_header` is truthy once there is a head, `finished` true once `end` was called. Middleware reads both. */
type Fixable = ServerResponse & {
  [HOLDER]?: FixableResponse;
  [FIXER]?: FixableResponse | undefined;
  _header?: unknown;
  finished?: boolean;
};

/** A response whose head can look sent before it has left: from then on it refuses what Node would refuse. */
export class FixableResponse {
  readonly response: ServerResponse;
  /** `end` was called. */
  isEnding = false;
  /** Bytes that wait. */
  length = 0;
  /** A write was answered with false, so its caller waits for "drain". */
  owesDrain = false;
  /** The status when the head was fixed, to be put back when it leaves. */
  #status: { statusCode: number; statusMessage?: string } | undefined;
  /** Properties that other middleware had put where the fixed ones are now. */
  #patched: Map<string, PropertyDescriptor> | undefined;
  #isMarkedFinished = false;

  constructor(response: ServerResponse) {
    this.response = response;
  }

  fix(): void {
    const response = this.response as Fixable;
    const { statusCode } = response;
    this.#status = hasStatusMessage(response)
      ? { statusCode, statusMessage: response.statusMessage }
      : { statusCode };
    for (const name of FIXED) {
      if (!Object.hasOwn(response, name)) continue;
      const own = Object.getOwnPropertyDescriptor(response, name) as PropertyDescriptor;
      const isFixed =
        own.get === undefined ? own.value === FIXED_METHODS[name] : own.get === FIXED_FLAGS[name]?.get;
      if (isFixed) continue;
      this.#patched ??= new Map();
      this.#patched.set(name, own);
    }
    response[FIXER] = this;
    Object.assign(response, methodsFor(response));
    // One by one: all at once takes V8 twice as long.
    for (const [name, flag] of FLAGS) Object.defineProperty(response, name, flag);
    if (response._header === null) response._header = HEAD_TO_COME;
  }

  /** For a head that was fixed: `end` was called. HTTP/2 has no `finished` of its own, and shows that by itself. */
  markFinished(): void {
    const response = this.response as Fixable;
    if (response[FIXER] !== this || !Object.hasOwn(response, "finished")) return;
    response.finished = true;
    this.#isMarkedFinished = true;
  }

  free(): void {
    const response = this.response as Fixable;
    if (response[FIXER] !== this) return;
    response[FIXER] = undefined;
    if (response._header === HEAD_TO_COME) response._header = null;
    if (this.#isMarkedFinished) response.finished = false;
    for (const [name, own] of this.#patched ?? []) Object.defineProperty(response, name, own);
    this.#patched = undefined;
    Object.assign(response, this.#status);
  }
}

/**
 * The methods of a response whose head is fixed, the same for all responses. They stay when the head is free again, and
 * call through: an object that loses properties becomes a slow one.
 */
const refusing = (name: (typeof HEADER_METHODS)[number]) =>
  function (this: Fixable, ...values: unknown[]): unknown {
    const fixer = this[FIXER];
    if (fixer === undefined) return Reflect.apply(passing(this, name) as Method, this, values);
    // A handler that answers twice: its first answer stands, as it does in a response that nothing holds back.
    if (fixer.isEnding) {
      return warn(
        "PSESSION_SECOND_ANSWER",
        "A handler changed the headers of a response that it had ended already; they stay as they were.",
      );
    }
    throw headersSent(name === "removeHeader" ? "remove" : "set");
  };

/** The prototype's property. `on` may be an object that derives from the response. */
const passing = (on: Fixable, name: keyof ServerResponse): unknown =>
  Reflect.get(Object.getPrototypeOf((on[HOLDER] as FixableResponse).response), name, on);

/** The method of a response whose head is free, without the detour by the one above, which would only call through. */
export function directly(response: ServerResponse, name: "setHeader" | "appendHeader"): Method {
  const method = response[name] as Method;
  return method === FIXED_METHODS[name] ? (passing(response as Fixable, name) as Method) : method;
}

const FIXED_METHODS: Readonly<Record<string, Method>> = Object.fromEntries(
  HEADER_METHODS.map((name) => [name, refusing(name)]),
);

const FIXED_FLAGS: Readonly<Record<string, PropertyDescriptor>> = {
  headersSent: flag("headersSent", () => true),
  writableEnded: flag("writableEnded", ({ isEnding }) => isEnding),
  writableFinished: flag("writableFinished", () => false),
  writableLength: flag("writableLength", ({ length }) => length),
  writableNeedDrain: flag("writableNeedDrain", ({ owesDrain }) => owesDrain),
};

const FLAGS = Object.entries(FIXED_FLAGS);

/** No more than the response has: a method that was not there would have nothing to call. */
const methodsFor = (response: object): Readonly<Record<string, Method>> =>
  HEADER_METHODS.every((name) => name in response)
    ? FIXED_METHODS
    : Object.fromEntries(Object.entries(FIXED_METHODS).filter(([name]) => name in response));

const FIXED: readonly string[] = [...HEADER_METHODS, ...Object.keys(FIXED_FLAGS)];

function flag(
  name: keyof ServerResponse,
  whenFixed: (fixer: FixableResponse) => boolean | number,
): PropertyDescriptor & ThisType<Fixable> {
  return {
    configurable: true,
    get() {
      const fixer = this[FIXER];
      return fixer === undefined ? passing(this, name) : whenFixed(fixer);
    },
  };
}
