import type { Request } from "express";
import { Refusal } from "./refusal.ts";

/** Reads visitors' input, and refuses wrong input with a sentence that names the field. */

const EMAIL = /^[^\s@]+@[^\s@]+$/;
const LONGEST_EMAIL = 254;
const PASSWORD_LENGTH = { min: 8, max: 256 };
/** Only for checking whether an address leaves this site. */
const HERE = "http://here.invalid";

export function readText(request: Request, name: string, { min, max }: { min: number; max: number }): string {
  const value = field(request, name);
  if (value === undefined) throw invalid(`The field "${name}" is missing.`);
  if (typeof value !== "string") throw invalid(`The field "${name}" must be text.`);
  if (value.length < min || value.length > max) {
    throw invalid(`The field "${name}" must have ${min} to ${max} characters.`);
  }
  return value;
}

/** In lower case, as people write their address either way. */
export function readEmail(request: Request): string {
  const email = readText(request, "email", { min: 0, max: LONGEST_EMAIL }).trim().toLowerCase();
  if (!EMAIL.test(email)) throw invalid("Please give an email address, such as name@example.com.");
  return email;
}

export function readNewPassword(request: Request, name: string): string {
  return readText(request, name, PASSWORD_LENGTH);
}

/** A password to compare: no rule limits its length, but a long one must not cost much time. */
export function readPassword(request: Request, name: string): string {
  return readText(request, name, { min: 0, max: PASSWORD_LENGTH.max });
}

/** The six digits of an authenticator app. Some apps show them as two groups, and people type the space. */
export function readCode(request: Request, name: string): string {
  const code = readText(request, name, { min: 0, max: 20 }).replaceAll(/\s/g, "");
  if (!/^\d{6}$/.test(code))
    throw invalid("A code has six digits. Please copy it from your authenticator app.");
  return code;
}

/** A checkbox of a form ("on" or nothing), or a JSON boolean. */
export function readCheckbox(request: Request, name: string): boolean {
  const value = field(request, name);
  if (value === undefined || value === false) return false;
  if (value === true || value === "on") return true;
  throw invalid(`The field "${name}" must be "on", true or false.`);
}

export function readWholeNumber(
  request: Request,
  name: string,
  { min, max }: { min: number; max: number },
): number {
  const value = field(request, name);
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max) return number;
  throw invalid(`The field "${name}" must be a whole number from ${min} to ${max}.`);
}

/** The page to continue with: a path of this site, or "/" for any other value. */
export function localPath(value: unknown): string {
  if (typeof value !== "string" || !value.startsWith("/") || !URL.canParse(value, HERE)) return "/";
  const { origin, pathname, search } = new URL(value, HERE);
  // "/.//other.example" becomes "//other.example", which browsers take for another site.
  return origin === HERE && !pathname.startsWith("//") ? pathname + search : "/";
}

/** A page of this site that continues with another one. */
export const withNext = (path: string, next: string): string => `${path}?next=${encodeURIComponent(next)}`;

/** The path of a form's hidden field. */
export const readNext = (request: Request): string => localPath(field(request, "next"));

/** A body is an object or, where none was sent, undefined. */
function field(request: Request, name: string): unknown {
  const body = (request.body ?? {}) as Record<string, unknown>;
  return Object.hasOwn(body, name) ? body[name] : undefined;
}

function invalid(message: string): Refusal {
  return new Refusal(400, "invalid_input", message);
}
