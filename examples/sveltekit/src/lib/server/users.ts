interface User {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly hasCode?: boolean;
  readonly isSupport?: boolean;
}

// For trying it out. Keep users in your database, with hashes of their passwords, and limit the tries.
const PASSWORD = "only for trying it out";
const CODE = "123456";
const USERS: readonly User[] = [
  { id: 1, name: "Ada", email: "ada@example.com" },
  { id: 2, name: "Grace", email: "grace@example.com", hasCode: true },
  { id: 3, name: "Support", email: "support@example.com", isSupport: true },
];

export const userById = (id: unknown): User | undefined => USERS.find((user) => user.id === id);
export const isPassword = (given: unknown): boolean => given === PASSWORD;
export const isCode = (given: unknown): boolean => given === CODE;
export const userBy = (email: unknown, password: unknown): User | undefined =>
  isPassword(password) ? USERS.find((user) => user.email === email) : undefined;
