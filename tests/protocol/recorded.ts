import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { Settings } from "../../src/options/settings.ts";
import type { RequestState } from "../../src/request/state.ts";
import type { Store } from "../../src/stores/store.ts";
import type { Library } from "./library.ts";
import type { StoreCall } from "./rows.ts";

/** What the store answered, and when by the world's clock. */
export interface Answered {
  readonly value: unknown;
  readonly at: number;
}

const KEY = "explore/4Vq9Zt2Lx7Rb6Ns3Wy8Kd1Gh5Jf0";

/**
 * A store and a clock that know what was recorded. One run at a time: it ends or stops for good before the next begins.
 */
export class Recorded {
  now = 0;
  readonly settings: Settings;
  #call: (name: string, values: readonly unknown[]) => Promise<unknown> = () =>
    Promise.reject(new Error("idle"));

  constructor(library: Library, { audit = false } = {}) {
    const store = new Proxy({} as Store, {
      get: (_, name) => {
        if (name === "userIds") return "any";
        return name === "then" ? undefined : (...values: unknown[]) => this.#call(String(name), values);
      },
    });
    const clock = { now: () => this.now };
    const options = { store: library.memoryStore({ audit }), keys: [KEY], clock, prune: false } as const;
    const real = library.resolveOptions(options);
    this.settings = { ...real, keys: cached(real.keys), store };
  }

  /** Runs the script as far as the answers lead: to its end, or to the first call that has none. */
  run<T>(
    { openedAt, skew = 0, answers }: { openedAt: number; skew?: number; answers: readonly Answered[] },
    script: () => Promise<T>,
    stopAt: (call: StoreCall) => T,
  ): Promise<T> {
    this.now = openedAt + skew;
    let next = 0;
    return new Promise((resolve, reject) => {
      this.#call = (name, values) => {
        const answer = answers[next++];
        if (answer === undefined) {
          resolve(stopAt({ name, values }));
          return new Promise(() => {});
        }
        this.now = answer.at + skew;
        return Promise.resolve(answer.value);
      };
      script().then(resolve, reject);
    });
  }
}

/** As the exchange does it: dead cookies are cleared by quick answers only. */
export function cookiesOf(
  { stale, cookies, openedAt }: RequestState,
  now: number,
  { skew }: Settings["times"],
): CookieInstruction[] {
  const isQuick = now - openedAt <= skew;
  return [...(isQuick ? stale : []), ...cookies.values()];
}

/** The same MACs and successors are asked for over and over. */
function cached(keys: Settings["keys"]): Settings["keys"] {
  const known = new Map<string, unknown>();
  const remember = <T>(name: string, make: () => T): T => {
    if (!known.has(name)) known.set(name, make());
    return known.get(name) as T;
  };
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return {
    sign: (purpose: "session" | "remember", text: string) =>
      remember(`s ${purpose} ${text}`, () => keys.sign(purpose, text)),
    digestIfSigned: (...values: Parameters<typeof keys.digestIfSigned>) => {
      const [purpose, { text, mac }] = values;
      return remember(`v ${purpose} ${text} ${mac}`, () => keys.digestIfSigned(...values));
    },
    verify: (...values: Parameters<typeof keys.verify>) =>
      remember(`m ${values.join(" ")}`, () => keys.verify(...values)),
    derive: (...values: Parameters<typeof keys.derive>) => {
      const [purpose, token, { id, generation, salt }, keyId] = values;
      return remember(`d ${purpose} ${hex(token)} ${id} ${generation} ${hex(salt)} ${keyId}`, () =>
        keys.derive(...values),
      );
    },
    currentKeyId: keys.currentKeyId,
  } as unknown as Settings["keys"];
}
