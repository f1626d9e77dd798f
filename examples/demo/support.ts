import type { User } from "./users.ts";

/** In a real app a column of the table of users. Here whoever registers with such an address is support. */
export const isSupport = ({ email }: Pick<User, "email">): boolean =>
  email.toLowerCase().startsWith("support@");
