import { runInRequest } from "../../request/context.ts";
import { momentOf } from "./arrivals.ts";
import type { NodeRequest } from "./messages.ts";

/** Runs a handler as part of its request, so that code it calls can be distinguished from that of other requests. */
export const runInNodeRequest = <R>(request: NodeRequest, work: () => R): R =>
  runInRequest(momentOf(request), work);
