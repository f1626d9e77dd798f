import { reasonOf } from "../../errors.ts";
import type { CookieDefinition } from "../../http/cookies.ts";

const PATIENCE = 10_000;

/** What came of a request to the endpoints of device-bound sessions. */
export interface KeyAnswer {
  /** Undefined where none came; `fault` says why. */
  readonly status: number | undefined;
  readonly fault: string | undefined;
  readonly headers: Headers;
  /** Undefined where it is no JSON object. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** The Set-Cookie line of the short cookie. */
  readonly line: string | undefined;
}

/** Asks as a browser does: POST, without a body. */
export async function post(
  endpoint: string,
  { name }: CookieDefinition,
  headers: Readonly<Record<string, string>>,
): Promise<KeyAnswer> {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "user-agent": "psession doctor", ...headers },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
    const text = await response.text();
    return {
      status: response.status,
      fault: undefined,
      headers: response.headers,
      body: objectIn(text),
      line: response.headers.getSetCookie().find((line) => line.startsWith(`${name}=`)),
    };
  } catch (fault) {
    const said = reasonOf((fault as Error).cause ?? fault);
    return { status: undefined, fault: said, headers: new Headers(), body: undefined, line: undefined };
  }
}

/** After "POST …". */
export function reasonFor({ status, fault, body }: KeyAnswer): string {
  if (status === undefined) return `is not answered (${fault})`;
  return status === 200 && body === undefined
    ? "is answered by something else than psession"
    : `is answered with status ${status}`;
}

function objectIn(text: string): KeyAnswer["body"] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as KeyAnswer["body"]) : undefined;
  } catch {
    return undefined;
  }
}

/** Of a Set-Cookie line, in small letters and without its time. */
export const attributesOf = (line: string): string[] =>
  line
    .split(";")
    .slice(1)
    .map((part) => part.trim().toLowerCase())
    .filter((part) => !part.startsWith("expires=") && !part.startsWith("max-age="));
