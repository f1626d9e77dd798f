import { assertNode } from "./node-version.ts";

// Checked here, as every module imports this one: on an older Node, later failures would not name the cause.
assertNode();

/** Stable identifiers of everything psession throws. They are API: renaming one is a breaking change. */
export type PsessionErrorCode =
  | "invalid_options"
  | "invalid_data"
  | "data_too_large"
  | "data_unreadable"
  | "not_signed_in"
  | "proof_outdated"
  | "nothing_pending"
  | "impersonating"
  | "session_withheld"
  | "too_many_devices"
  | "invalid_user_id"
  | "invalid_name"
  | "invalid_callback"
  | "no_session"
  | "session_destroyed"
  | "session_not_open"
  | "session_ended"
  | "read_only"
  | "headers_already_sent"
  | "cross_site"
  | "insecure_transport"
  | "store_unavailable"
  | "store_not_migrated"
  | "store_misread"
  | "store_conflict"
  | "lock_timeout"
  | "fetched_ahead"
  | "cookie_too_large"
  | "no_audit_trail"
  | "no_locks"
  | "closed";

export interface PsessionErrorOptions {
  cause?: unknown;
  /** HTTP status a framework may answer with. */
  status?: number | undefined;
  /** Seconds after which the same request may well succeed. */
  retryAfter?: number | undefined;
}

/** An error's message, to quote in one of psession's; anything can be thrown. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A fault: something is wrong with the configuration, the data or the store. Outcomes are values instead. */
export class PsessionError extends Error {
  readonly code: PsessionErrorCode;
  /** HTTP status that fits: docs/errors.md has them all. Frameworks read it, under either name. */
  readonly status: number;
  /**
   * For frameworks that ask an error for its answer (Hono): the bare status. Not there where that is 500, so that
   * they print the error as any other.
   */
  declare readonly getResponse?: () => Response;
  readonly #retryAfter: number | undefined;

  constructor(code: PsessionErrorCode, message: string, options: PsessionErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PsessionError";
    this.code = code;
    this.status = options.status ?? (code === "store_unavailable" ? 503 : 500);
    this.#retryAfter = options.retryAfter;
    const { status } = this;
    if (status === 500) return;
    const getResponse = () => new Response(apologyFor(status), { status, headers: this.headers });
    // Not enumerable, or it would be printed with the error.
    Object.defineProperty(this, "getResponse", { value: getResponse });
  }

  /** Headers of the answer, for frameworks that look here (Express, Fastify, Koa): error pages are not cached. */
  get headers(): Readonly<Record<string, string>> {
    const headers = { "Cache-Control": "no-store" };
    return this.#retryAfter === undefined ? headers : { ...headers, "Retry-After": String(this.#retryAfter) };
  }

  get statusCode(): number {
    return this.status;
  }

  /** Messages are for developers: frameworks that look at this (NestJS, Koa) answer with the status alone. */
  get expose(): false {
    return false;
  }
}

/** What a visitor reads where no page can be shown: no more than the status says. */
export const apologyFor = (status: number): string =>
  status === 503 ? "Service unavailable, please try again.\n" : "Something went wrong.\n";

/** The status that an error asks for, where it asks for one that errors have. */
export function statusOf(error: unknown): number {
  const status = error instanceof Error && "status" in error ? error.status : undefined;
  return typeof status === "number" && status >= 400 && status <= 599 ? status : 500;
}

/** The headers that an error asks for; its answer is never cached. */
export function headersOfError(error: unknown): Readonly<Record<string, string>> {
  const { headers } = (error instanceof Error ? error : {}) as { headers?: Record<string, string> };
  return { "Cache-Control": "no-store", ...(typeof headers === "object" ? headers : {}) };
}
