/** Stable identifiers of everything psession throws. They are API: renaming one is a breaking change. */
export type PsessionErrorCode =
  | "invalid_options"
  | "invalid_data"
  | "data_too_large"
  | "data_unreadable"
  | "not_signed_in"
  | "invalid_user_id"
  | "invalid_name"
  | "no_session"
  | "session_destroyed"
  | "session_ended"
  | "headers_already_sent"
  | "insecure_transport"
  | "store_unavailable"
  | "store_not_migrated"
  | "store_conflict"
  | "lock_timeout"
  | "cookie_too_large"
  | "closed";

export interface PsessionErrorOptions {
  cause?: unknown;
  /** HTTP status a framework may answer with. */
  status?: number;
}

/** What an error says, for a sentence of ours; anything can be thrown. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A fault: something is wrong with the configuration, the data or the store. Outcomes are values instead. */
export class PsessionError extends Error {
  readonly code: PsessionErrorCode;
  /** HTTP status that fits: 503 where the store failed, 500 otherwise. Frameworks read it, under either name. */
  readonly status: number;

  constructor(code: PsessionErrorCode, message: string, options: PsessionErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PsessionError";
    this.code = code;
    this.status = options.status ?? (code === "store_unavailable" ? 503 : 500);
  }
  get statusCode(): number {
    return this.status;
  }
}
