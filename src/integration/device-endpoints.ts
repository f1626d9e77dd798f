import * as v from "valibot";
import type { Duration } from "../checks/duration.ts";
import { positiveDuration } from "../checks/duration-options.ts";
import { checkedOptions } from "../checks/faults.ts";
import { PsessionError } from "../errors.ts";
import { allowedOrigins, type OriginOptions } from "../http/origin.ts";
import type { Session } from "../session.ts";
import { type Answer, NOT_KEPT } from "./answer.ts";
import { freshGuard, type GuardedRequest, loginGuard, type RefusalBody } from "./guards.ts";
import { type Describe, extendedState, visitorState } from "./session-state.ts";

/** What the endpoints of devices require of their callers. */
export interface DevicesOptions extends OriginOptions {
  /** How recently the user must have proved a credential to end devices. Default: no limit. */
  fresh?: Duration | undefined;
  /** What pages may know of the user besides, such as a name: `profile` of `GET /session`. To be JSON. */
  describe?: Describe | undefined;
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
  describe: v.optional(
    v.custom<Describe>((value) => typeof value === "function", "must be a function of the session"),
  ),
});

/**
 * The user's devices over HTTP, whatever the framework: GET / lists them, PATCH /:handle `{ name }` names one,
 * DELETE /:handle ends one, DELETE / all others, and DELETE /?all this one as well. GET /session says who is signed in, if
 * anybody is, and until when, without being a use of the session, and POST /session is one.
 */
export function devicesEndpoint(options: DevicesOptions = {}): DevicesEndpoint {
  const { allowed, fresh, describe } = checkedOptions("devices", optionsSchema, options);
  const origins = allowed === undefined ? {} : { allowed };
  const isSignedIn = loginGuard({ origin: origins });
  const isFresh = fresh === undefined ? undefined : freshGuard({ within: fresh, origin: false });

  return async (request) => {
    if (isAboutSession(request.url) && isReading(request.method))
      return answer(200, await visitorState(request.session, describe));
    const asked = { ...request, path: request.url };
    const refusal = isSignedIn(asked) ?? (request.method === "DELETE" ? isFresh?.(asked) : undefined);
    // Without `redirectTo`, every refusal has a body.
    return refusal !== undefined && "body" in refusal
      ? answer(refusal.status, refusal.body)
      : handle(request, describe);
  };
}

/** Enough for a name in JSON. */
export const LONGEST_BODY = 4096;

/** Thrown by `body()` for a longer body. */
export class BodyTooLarge extends Error {}

/**
 * The pieces of a body. Whoever stops before its end does not cancel it: SvelteKit destroys the connection then, and with
 * it the answer.
 */
export const piecesOf = (
  body: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array> | null,
): AsyncIterable<Uint8Array> | readonly Uint8Array[] =>
  body !== null && "values" in body ? body.values({ preventCancel: true }) : (body ?? []);

/** The part of `url` below the mount; undefined if it is elsewhere. */
export function belowMount(path: string): (url: string) => string | undefined {
  const mount = path.replace(/\/+$/, "");
  return (url) => {
    const below = url.startsWith(mount) ? url.slice(mount.length) : undefined;
    return below !== undefined && /^([/?]|$)/.test(below) ? below : undefined;
  };
}

/** Whether a path below a mount is the mount itself. */
export const isMount = (below: string | undefined): boolean =>
  below !== undefined && /^\/?(?:[?#]|$)/.test(below);

async function handle(request: DevicesRequest, describe: DevicesOptions["describe"]): Promise<DevicesAnswer> {
  const [, query = ""] = request.url.split(/[?#]/, 2);
  const searchParams = new URLSearchParams(query);
  const [handle = "", ...rest] = partsOf(request.url);
  if (rest.some((part) => part !== "") || (handle === "" && rest.length > 0)) return NOT_FOUND;
  const { session, method } = request;
  if (handle === "session") {
    if (method !== "POST") return notAllowed("GET, HEAD, POST");
    return answer(200, await extendedState(session, describe));
  }
  if (handle === "") {
    if (isReading(method)) return answer(200, { devices: await session.devices() });
    if (method === "DELETE") return endAll(request, searchParams.has("all"));
    return notAllowed("GET, HEAD, DELETE");
  }
  if (method === "PATCH") return rename(request, handle);
  if (method === "DELETE") return (await session.revoke(handle)) ? answer(200, { ended: 1 }) : NOT_FOUND;
  return notAllowed("PATCH, DELETE");
}

/** Not parsed by `URL`, which reads the text after two slashes as a host. */
const partsOf = (url: string): string[] => (url.split(/[?#]/, 1)[0] ?? "").split("/").slice(1);

function isAboutSession(url: string): boolean {
  const [first, ...rest] = partsOf(url);
  return first === "session" && rest.every((part) => part === "");
}

const isReading = (method: string | undefined): boolean => method === "GET" || method === "HEAD";

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
