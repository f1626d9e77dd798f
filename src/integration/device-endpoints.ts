import * as v from "valibot";
import type { Duration } from "../checks/duration.ts";
import { positiveDuration } from "../checks/duration-options.ts";
import { checkedOptions } from "../checks/faults.ts";
import { PsessionError } from "../errors.ts";
import { allowedOrigins, type OriginOptions } from "../http/origin.ts";
import type { Session } from "../session.ts";
import { type Answer, NOT_KEPT } from "./answer.ts";
import { freshGuard, type GuardedRequest, loginGuard, type RefusalBody } from "./guards.ts";

/** What the endpoints of devices require of their callers. */
export interface DevicesOptions extends OriginOptions {
  /** How recently the user must have proved a credential to end devices. Default: no limit. */
  fresh?: Duration | undefined;
}

/** The facts that an integration gives about a request for devices. */
export interface DevicesRequest extends Omit<GuardedRequest, "session" | "path"> {
  /** Path and query below the mount, such as "/", "/?all" or "/lLqR1k…". */
  readonly url: string;
  // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
  readonly session: Session<any>;
  /** The body as JSON, read only if needed. It throws if the body cannot be read. */
  body(): Promise<unknown>;
}

/** To be answered as JSON, with these headers. */
export interface DevicesAnswer extends Answer {
  readonly body: object;
}

/** Answers a request for devices. Rejects where the store fails (`store_unavailable`). */
export type DevicesEndpoint = (request: DevicesRequest) => Promise<DevicesAnswer>;

const optionsSchema = v.strictObject({
  allowed: allowedOrigins,
  fresh: v.optional(positiveDuration(', such as 600000 or "10m"')),
});

/**
 * The user's devices over HTTP, whatever the framework: GET / lists them, PATCH /:handle `{ name }` names one,
 * DELETE /:handle ends one, DELETE / all others, and DELETE /?all this one as well. GET /session says when the session
 * ends, without being a use of it, and POST /session is one.
 */
export function devicesEndpoint(options: DevicesOptions = {}): DevicesEndpoint {
  const { allowed, fresh } = checkedOptions("devices", optionsSchema, options);
  const origins = allowed === undefined ? {} : { allowed };
  const isSignedIn = loginGuard({ origin: origins });
  const isFresh = fresh === undefined ? undefined : freshGuard({ within: fresh, origin: false });

  return async (request) => {
    const asked = { ...request, path: request.url };
    const refusal = isSignedIn(asked) ?? (request.method === "DELETE" ? isFresh?.(asked) : undefined);
    // Without `redirectTo`, every refusal has a body.
    return refusal !== undefined && "body" in refusal
      ? answer(refusal.status, refusal.body)
      : handle(request);
  };
}

/** Enough for a name in JSON. */
export const LONGEST_BODY = 4096;

/** Thrown by `body()` for a longer body. */
export class BodyTooLarge extends Error {}

/** The part of `url` below the mount; undefined if it is elsewhere. */
export function belowMount(path: string): (url: string) => string | undefined {
  const mount = path.replace(/\/+$/, "");
  return (url) => {
    const below = url.startsWith(mount) ? url.slice(mount.length) : undefined;
    return below !== undefined && /^([/?]|$)/.test(below) ? below : undefined;
  };
}

async function handle(request: DevicesRequest): Promise<DevicesAnswer> {
  // Not parsed by `URL`, which reads the text after two slashes as a host.
  const [pathname = "", query = ""] = request.url.split(/[?#]/, 2);
  const searchParams = new URLSearchParams(query);
  const [handle = "", ...rest] = pathname.split("/").slice(1);
  if (rest.some((part) => part !== "") || (handle === "" && rest.length > 0)) return NOT_FOUND;
  const { session, method } = request;
  if (handle === "session") return endOf(request);
  if (handle === "") {
    if (method === "GET" || method === "HEAD") return answer(200, { devices: await session.devices() });
    if (method === "DELETE") return endAll(request, searchParams.has("all"));
    return notAllowed("GET, HEAD, DELETE");
  }
  if (method === "PATCH") return rename(request, handle);
  if (method === "DELETE") return (await session.revoke(handle)) ? answer(200, { ended: 1 }) : NOT_FOUND;
  return notAllowed("PATCH, DELETE");
}

/** Asking is no use of the session, or a page that asks would keep it alive. */
async function endOf({ session, method }: DevicesRequest): Promise<DevicesAnswer> {
  if (method === "GET" || method === "HEAD") session.bePassive();
  else if (method === "POST") session.extend();
  else return notAllowed("GET, HEAD, POST");
  return answer(200, { endsAt: await session.endsAt() });
}

async function endAll({ session }: DevicesRequest, includesThis: boolean): Promise<DevicesAnswer> {
  const ended = await session.revokeOthers();
  if (!includesThis) return answer(200, { ended });
  await session.logout();
  return answer(200, { ended: ended + 1 });
}

async function rename(request: DevicesRequest, handle: string): Promise<DevicesAnswer> {
  let body: unknown;
  try {
    body = await request.body();
  } catch (error) {
    return error instanceof BodyTooLarge ? TOO_LARGE : INVALID_BODY;
  }
  if (typeof body !== "object" || body === null || !("name" in body)) return INVALID_BODY;
  const name = body.name ?? undefined;
  try {
    const isNamed = await request.session.nameDevice(handle, name as string | undefined);
    return isNamed ? answer(200, { handle, name: typeof name === "string" ? name.trim() : "" }) : NOT_FOUND;
  } catch (error) {
    if (!(error instanceof PsessionError) || error.code !== "invalid_name") throw error;
    return failure(400, error.code, error.message);
  }
}

const answer = (status: number, body: object | RefusalBody): DevicesAnswer => ({
  status,
  headers: NOT_KEPT,
  body,
});

const failure = (status: number, code: string, message: string): DevicesAnswer =>
  answer(status, { error: { code, message } });

const NOT_FOUND = failure(404, "no_such_device", "You have no such device.");
const INVALID_BODY = failure(400, "invalid_body", 'The body must be JSON, such as { "name": "Kitchen" }.');
const TOO_LARGE = failure(413, "body_too_large", `The body must have at most ${LONGEST_BODY} bytes.`);

function notAllowed(allow: string): DevicesAnswer {
  const { status, body } = failure(405, "method_not_allowed", `Use one of ${allow}.`);
  return { status, body, headers: { ...NOT_KEPT, Allow: allow } };
}
