import { parseSetCookie } from "cookie";

/** Attributes as frameworks' jars take them. A cookie that is cleared has `maxAge` 0. */
export interface CookieAttributes {
  path: string;
  domain?: string;
  httpOnly: boolean;
  secure: boolean;
  sameSite: "lax" | "strict" | "none";
  partitioned?: boolean;
  /** Seconds. */
  maxAge?: number;
  expires?: Date;
}

/** Sets the cookies of these lines. */
export async function fillJar(
  lines: readonly string[],
  set: (name: string, value: string, attributes: CookieAttributes) => unknown,
): Promise<void> {
  for (const line of lines) {
    const { name, value = "", ...attributes } = parseSetCookie(line, { decode: (text) => text });
    await set(name, value, attributes as CookieAttributes);
  }
}
