/** The task of all contenders: the same pages, the same data, the same responses. */

/** What a visitor does. */
export const SCENARIOS = ["no-cookie", "untouched", "read", "write", "login", "restore"] as const;
export type Scenario = (typeof SCENARIOS)[number];

export const FRAMEWORKS = ["node", "express", "fastify", "hono", "koa", "fetch"] as const;
export type Framework = (typeof FRAMEWORKS)[number];

/** `cookie`: the session is in the cookie, and there is no store. */
export const STORES = ["postgres", "mysql", "sqlite", "redis", "cookie"] as const;
export type StoreName = (typeof STORES)[number];

/** Paths, the same on every framework. */
export const PATHS = {
  /** Never looks at the session. */
  about: "/about",
  /** The signed-in user, and their cart. */
  cart: "/",
  /** Counts up in the session. */
  count: "/count",
  /** Signs the next user in; it checks no password, as hashing one would take longer than everything else. */
  login: "/login",
} as const;

export interface Visit {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly cookies: "none" | "session" | "remember";
  /** A response that contains this is wrong. */
  readonly wrong: string;
}

const NOBODY = '"user":null';
export const VISITS: Readonly<Record<Scenario, Visit>> = {
  "no-cookie": { method: "GET", path: PATHS.cart, cookies: "none", wrong: '"user":"' },
  untouched: { method: "GET", path: PATHS.about, cookies: "session", wrong: NOBODY },
  read: { method: "GET", path: PATHS.cart, cookies: "session", wrong: NOBODY },
  write: { method: "POST", path: PATHS.count, cookies: "session", wrong: NOBODY },
  login: { method: "POST", path: PATHS.login, cookies: "none", wrong: NOBODY },
  restore: { method: "GET", path: PATHS.cart, cookies: "remember", wrong: NOBODY },
};

/** A session's data: 275 bytes of JSON, of which the cart takes 200. */
export const DATA = {
  cart: Array.from({ length: 3 }, (_, n) => ({
    id: 1000 + n,
    name: "Assam, second flush, 100 g",
    quantity: n + 1,
  })),
  settings: { theme: "dark", language: "en", currency: "EUR" },
  seen: [17, 22, 31, 45],
};

export interface ShopData {
  cart?: typeof DATA.cart;
  settings?: typeof DATA.settings;
  seen?: number[];
  count?: number;
}

export const ABOUT = { shop: "Tea and cups", opened: 1987, about: "x".repeat(180) } as const;

/** The response of `cart`. */
export const cartOf = (user: unknown, data: ShopData | undefined) => ({
  user: user ?? null,
  cart: data?.cart ?? null,
});

/** The response of `count`. */
export const counted = (user: unknown, count: number) => ({ user: user ?? null, count });

let users = 0;

/** A new user each time; other processes use other users. */
export const nextUser = (): string => `${process.pid}-${String(++users).padStart(8, "0")}`;

/** Of every kind of pool, in every contender. */
export const POOL_SIZE = 10;
/** Keys and secrets of all libraries. */
export const KEY = "bench/k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0";
export const DAY = 86_400_000;
