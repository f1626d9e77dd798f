import type { ErrorRequestHandler, NextFunction, Request, Response } from "express";
import { prefersJson, sendPage } from "./answer.ts";
import { setNoStore, setSecurityHeaders } from "./headers.ts";
import type { Html } from "./html.ts";
import { errorPage } from "./pages/error.ts";
import type { Parts } from "./parts.ts";
import { Refusal } from "./refusal.ts";
import { frameOf } from "./visitor.ts";

/** Messages for requests that Express and its body parsers refuse. */
const SENTENCES: Record<number, string> = {
  400: "That request could not be understood.",
  413: "That is more than this page takes.",
  415: "That kind of content is not understood here.",
};

export function notFound(): never {
  throw new Refusal(404, "not_found", "There is no such page.");
}

/** For the form of a route: shows the form again with its errors. Scripts get JSON from `answerError`. */
export function showAgain(page: (request: Request, problem: string) => Html): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (!(error instanceof Refusal) || prefersJson(request)) return next(error);
    setStatus(response, error);
    sendPage(response, page(request, error.message));
  };
}

/** The last handler: turns every error into a status and a sentence, never a stack. */
export function answerError(parts: Parts, log: (error: unknown) => void): ErrorRequestHandler {
  return (error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error);
    const refusal = toRefusal(error);
    if (refusal.status >= 500) log(error);
    // If saving the session failed, psession has discarded the whole response, these headers included.
    setSecurityHeaders(response);
    setNoStore(response);
    setStatus(response, refusal);
    const { code, message } = refusal;
    if (prefersJson(request)) response.json({ error: { code, message } });
    else sendPage(response, errorPage(frameForError(parts, request, refusal), message));
  };
}

function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { status, code, type } = error as { status?: unknown; code?: unknown; type?: unknown };
  if (type === "entity.parse.failed") return new Refusal(400, "invalid_json", "The body is not valid JSON.");
  if (status === 503 || code === "ERR_SQLITE_ERROR") {
    return new Refusal(503, "unavailable", "Our storage does not answer. Please try again in a moment.", 5);
  }
  if (code === "nothing_pending" || code === "proof_outdated" || code === "session_ended") {
    return new Refusal(401, code, "Your sign-in was ended or took too long. Please sign in again.");
  }
  if (code === "impersonating") {
    return new Refusal(403, code, "Only the user may do that. Stop acting as them first.");
  }
  if (code === "invalid_name") {
    return new Refusal(400, "invalid_input", "A device's name has no line breaks and no control characters.");
  }
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new Refusal(status, "bad_request", SENTENCES[status] ?? "That request is not accepted.");
  }
  return new Refusal(500, "internal", "Something went wrong on our side.");
}

function setStatus(response: Response, { status, retryAfterSeconds }: Refusal): void {
  response.status(status);
  if (retryAfterSeconds !== undefined) response.set("Retry-After", String(retryAfterSeconds));
}

/** If the storage failed, reading the visitor's session from it would fail again. */
function frameForError(parts: Parts, request: Request, { status }: Refusal) {
  return status < 500 ? frameOf(request, parts.users) : undefined;
}
