import { timingSafeEqual } from "node:crypto";

interface User {
  readonly id: number;
  readonly name: string;
  readonly password: string;
  /** A second factor. Real ones change: this one is for trying it out. */
  readonly code?: string;
  readonly isSupport?: boolean;
}

const PASSWORD = "only for trying it out";

const users: Readonly<Record<string, User>> = {
  "ada@example.com": { id: 1, name: "Ada", password: PASSWORD },
  "grace@example.com": { id: 2, name: "Grace", password: PASSWORD, code: "123456" },
  "support@example.com": { id: 3, name: "Support", password: PASSWORD, isSupport: true },
};

const same = (one: string, other: string) =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

export function userBy(email: string, password: string): User | undefined {
  const user = Object.hasOwn(users, email) ? users[email] : undefined;
  return user !== undefined && same(user.password, password) ? user : undefined;
}

export const userOf = (id: unknown): User | undefined => Object.values(users).find((user) => user.id === id);

export const isPasswordOf = (id: unknown, password: string): boolean => {
  const user = userOf(id);
  return user !== undefined && same(user.password, password);
};

export const isCodeOf = (id: unknown, code: string): boolean => {
  const expected = userOf(id)?.code;
  return expected !== undefined && same(expected, code);
};
