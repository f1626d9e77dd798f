import type { ServerResponse } from "node:http";
import type { Answer } from "../answer.ts";
import { answerTo, type Refusal } from "../guards.ts";
import type { NodeResponse } from "./messages.ts";

export function send(target: NodeResponse, { status, headers, body }: Answer): void {
  const response = target as ServerResponse;
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body === undefined) return void response.end();
  const isText = typeof body === "string";
  response.setHeader("Content-Type", `${isText ? "text/plain" : "application/json"}; charset=utf-8`);
  response.end(isText ? body : JSON.stringify(body));
}

/** Answers in place of the handler that the guard protects. */
export const answerRefusal = (response: NodeResponse, refusal: Refusal): void =>
  send(response, answerTo(refusal));
