/** What all contenders have to do: the same pages, the same data, the same answers. */

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
  /** Who is signed in, and their cart. */
  cart: "/",
  /** Counts up in the session. */
  count: "/count",
  /** Signs the next user in; no password is checked, as hashing one would cover everything else. */
  login: "/login",
} as const;

export interface Visit {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly cookies: "none" | "session" | "remember";
  /** An answer that has this is wrong. */
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

/** What a session holds: 275 bytes of JSON, of which the cart is 200. */
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

/** What `cart` answers. */
export const cartOf = (user: unknown, data: ShopData | undefined) => ({
  user: user ?? null,
  cart: data?.cart ?? null,
});

/** What `count` answers. */
export const counted = (user: unknown, count: number) => ({ user: user ?? null, count });

let users = 0;

/** Somebody new each time; in other processes others. */
export const nextUser = (): string => `${process.pid}-${String(++users).padStart(8, "0")}`;

/** Of every kind of pool, in every contender. */
export const POOL_SIZE = 10;
/** Keys and secrets of all libraries. */
export const KEY = "bench/k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0";
export const DAY = 86_400_000;
