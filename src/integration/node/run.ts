import { runInRequest } from "../../request/context.ts";
import { momentOf } from "./arrivals.ts";
import type { NodeRequest } from "./messages.ts";

/** Runs what handles a request as part of it, so that code that is called from there can be told from others'. */
export const runInNodeRequest = <R>(request: NodeRequest, work: () => R): R =>
  runInRequest(momentOf(request), work);
