import * as v from "valibot";
import type { Duration } from "../checks/duration.ts";
import { positiveDuration } from "../checks/duration-options.ts";
import { checkedOptions } from "../checks/faults.ts";
import { PsessionError } from "../errors.ts";
import { allowedOrigins, type OriginOptions } from "../http/origin.ts";
import type { Session } from "../session.ts";
import { freshGuard, type Guard, loginGuard, type RefusalBody } from "./guards.ts";

/** What the endpoints of devices ask of who calls them. */
export interface DevicesOptions extends OriginOptions {
  /** How long ago a credential may have been proved by who ends devices. Default: it is not asked. */
  fresh?: Duration | undefined;
}

/** What an integration has to find out about a request for devices. */
export interface DevicesRequest {
  readonly method: string | undefined;
  /** Path and query below the mount, such as "/", "/?all" or "/lLqR1k…". */
  readonly url: string;
  readonly header: (name: string) => string | readonly string[] | undefined;
  /** Scheme and host as the visitor sees them. */
  readonly origin: string;
  // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
  readonly session: Session<any>;
  /** The body as JSON, asked for where one is needed. What it throws is a body that cannot be read. */
  body(): Promise<unknown>;
}

/** To be answered as JSON, with these headers. */
export interface DevicesAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** Answers a request for devices. Rejects where the store fails (`store_unavailable`). */
export type DevicesEndpoint = (request: DevicesRequest) => Promise<DevicesAnswer>;

const optionsSchema = v.strictObject({
  allowed: allowedOrigins,
  fresh: v.optional(positiveDuration(', such as 600000 or "10m"')),
});

/** A list is nobody else's, and out of date at the next sign-in. */
const HEADERS = { "Cache-Control": "no-store" } as const;

/**
 * The user's devices over HTTP, whatever the framework: GET / lists them, PATCH /:handle `{ name }` names one,
 * DELETE /:handle ends one, DELETE / all others, and DELETE /?all this one as well.
 */
export function devicesEndpoint(options: DevicesOptions = {}): DevicesEndpoint {
  const { allowed, fresh } = checkedOptions("devices", optionsSchema, options);
  const origins = allowed === undefined ? {} : { allowed };
  const isSignedIn = loginGuard({ origin: origins });
  const isFresh = fresh === undefined ? undefined : freshGuard({ within: fresh, origin: false });

  return async (request) => {
    const guards =
      request.method === "DELETE" && isFresh !== undefined ? [isSignedIn, isFresh] : [isSignedIn];
    return refusedBy(guards, request) ?? handle(request);
  };
}

/** A name and what is around it. */
export const LONGEST_BODY = 4096;

/** Thrown by `body()` where it is longer than that. */
export class BodyTooLarge extends Error {}

/** What of `url` is below the mount; undefined where it is elsewhere. */
export function belowMount(path: string): (url: string) => string | undefined {
  const mount = path.replace(/\/+$/, "");
  return (url) => {
    const below = url.startsWith(mount) ? url.slice(mount.length) : undefined;
    return below !== undefined && /^([/?]|$)/.test(below) ? below : undefined;
  };
}

function refusedBy(guards: readonly Guard[], request: DevicesRequest): DevicesAnswer | undefined {
  for (const guard of guards) {
    const refusal = guard({ ...request, path: request.url });
    if (refusal !== undefined && "body" in refusal) return answer(refusal.status, refusal.body);
  }
  return undefined;
}

async function handle(request: DevicesRequest): Promise<DevicesAnswer> {
  // Not by `URL`, for which what follows two slashes is a host.
  const [pathname = "", query = ""] = request.url.split(/[?#]/, 2);
  const searchParams = new URLSearchParams(query);
  const [handle = "", ...rest] = pathname.split("/").slice(1);
  if (rest.some((part) => part !== "") || (handle === "" && rest.length > 0)) return NOT_FOUND;
  const { session, method } = request;
  if (handle === "") {
    if (method === "GET" || method === "HEAD") return answer(200, { devices: await session.devices() });
    if (method === "DELETE") return endAll(request, searchParams.has("all"));
    return notAllowed("GET, HEAD, DELETE");
  }
  if (method === "PATCH") return rename(request, handle);
  if (method === "DELETE") return (await session.revoke(handle)) ? answer(200, { ended: 1 }) : NOT_FOUND;
  return notAllowed("PATCH, DELETE");
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
  headers: HEADERS,
  body,
});

const failure = (status: number, code: string, message: string): DevicesAnswer =>
  answer(status, { error: { code, message } });

const NOT_FOUND = failure(404, "no_such_device", "You have no such device.");
const INVALID_BODY = failure(400, "invalid_body", 'The body must be JSON, such as { "name": "Kitchen" }.');
const TOO_LARGE = failure(413, "body_too_large", `The body must have at most ${LONGEST_BODY} bytes.`);

function notAllowed(allow: string): DevicesAnswer {
  const { status, body } = failure(405, "method_not_allowed", `Use one of ${allow}.`);
  return { status, body, headers: { ...HEADERS, Allow: allow } };
}
