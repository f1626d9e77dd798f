import type { ServerResponse } from "node:http";
import { answerToError } from "../answer.ts";
import type { NodeResponse } from "./messages.ts";
import { hasStatusMessage, headersIn } from "./rules.ts";
import { send } from "./send.ts";

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
