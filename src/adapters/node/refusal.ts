import type { ServerResponse } from "node:http";
import type { Refusal } from "../../http/guards.ts";
import type { NodeResponse } from "./response.ts";

/** Answers in place of the handler that a guard stands before. */
export function answerRefusal(target: NodeResponse, refusal: Refusal): void {
  const response = target as ServerResponse;
  response.statusCode = refusal.status;
  if ("location" in refusal) {
    response.setHeader("Location", refusal.location);
    response.end();
    return;
  }
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify(refusal.body));
}
