import { parseCookie } from "cookie";
import type { Request, Response } from "express";

/** What the sign-in form starts with on the next visit. Holds no secret and proves nothing. */
export interface LastLogin {
  readonly email: string;
  readonly remember: boolean;
}

const COOKIE = "psession-demo-login";
const YEAR = 365 * 86_400_000;
const LONGEST_EMAIL = 254;

export function readLastLogin(request: Request): LastLogin {
  const fields = new URLSearchParams(parseCookie(request.headers.cookie ?? "")[COOKIE]);
  const email = fields.get("email") ?? "";
  return { email: email.length <= LONGEST_EMAIL ? email : "", remember: fields.get("remember") === "on" };
}

export function forgetLastLogin(response: Response): void {
  response.clearCookie(COOKIE, { sameSite: "lax", httpOnly: true });
}

export function keepLastLogin(response: Response, { email, remember }: LastLogin): void {
  const fields = new URLSearchParams({ email, remember: remember ? "on" : "off" });
  response.cookie(COOKIE, fields.toString(), { maxAge: YEAR, sameSite: "lax", httpOnly: true });
}
