import type { ServerResponse } from "node:http";
import { apologyFor, headersOfError, PsessionError } from "../../errors.ts";
import type { NodeResponse } from "./messages.ts";
import { hasStatusMessage, headersIn } from "./rules.ts";

const DESCRIBES_CONTENT = /^(content-(?!security)|transfer-encoding$|etag$|last-modified$|location$)/;

/** Answers with the status of a fault, and no more, where no framework does. */
export function answerError(target: NodeResponse, error: unknown): void {
  const response = target as ServerResponse;
  const status = error instanceof PsessionError ? error.status : 500;
  // Lengths and encodings of the handler's answer would cut or garble this one.
  for (const name of Object.keys(headersIn(response)))
    if (DESCRIBES_CONTENT.test(name)) response.removeHeader?.(name);
  response.statusCode = status;
  if (hasStatusMessage(response)) response.statusMessage = "";
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  const headers = headersOfError(error instanceof PsessionError ? error : undefined);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(apologyFor(status));
}
