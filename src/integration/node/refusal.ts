import type { ServerResponse } from "node:http";
import { headersOf, type Refusal } from "../guards.ts";
import type { NodeResponse } from "./messages.ts";

/** Answers in place of the handler that a guard stands before. */
export function answerRefusal(target: NodeResponse, refusal: Refusal): void {
  const response = target as ServerResponse;
  response.statusCode = refusal.status;
  for (const [name, value] of Object.entries(headersOf(refusal))) response.setHeader(name, value);
  if ("location" in refusal) {
    response.end();
    return;
  }
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify(refusal.body));
}
