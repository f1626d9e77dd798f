import { apologyFor, PsessionError } from "../errors.ts";

/** What to answer in place of a handler. Each framework sends it in its own way, an object as JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | object | undefined;
}

export const NOT_KEPT = { "Cache-Control": "no-store" } as const;

/** The bare status, 503 where the store failed, and a sentence for the visitor. */
export function answerToError(error: unknown): Answer {
  const { status, headers } = error instanceof PsessionError ? error : { status: 500, headers: NOT_KEPT };
  return { status, headers, body: apologyFor(status) };
}
