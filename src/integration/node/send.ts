import type { ServerResponse } from "node:http";
import { type Answer, answerToError } from "../answer.ts";
import { answerTo, type Refusal } from "../guards.ts";
import type { NodeResponse } from "./messages.ts";
import { hasStatusMessage, headersIn } from "./rules.ts";

export function send(target: NodeResponse, { status, headers, body }: Answer): void {
  const response = target as ServerResponse;
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body === undefined) return void response.end();
  const isText = typeof body === "string";
  if (!("Content-Type" in headers))
    response.setHeader("Content-Type", `${isText ? "text/plain" : "application/json"}; charset=utf-8`);
  response.end(isText ? body : JSON.stringify(body));
}

/** Answers in place of the handler that the guard protects. */
export const answerRefusal = (response: NodeResponse, refusal: Refusal): void =>
  send(response, answerTo(refusal));

const DESCRIBES_CONTENT = /^(content-(?!security)|transfer-encoding$|etag$|last-modified$|location$)/;

/** Answers with an error's bare status, where no framework has a page for it. */
export function answerError(target: NodeResponse, error: unknown): void {
  const response = target as ServerResponse;
  // The length and encoding of the handler's answer would cut or garble this one.
  for (const name of Object.keys(headersIn(response)))
    if (DESCRIBES_CONTENT.test(name)) response.removeHeader?.(name);
  if (hasStatusMessage(response)) response.statusMessage = "";
  send(response, answerToError(error));
}
