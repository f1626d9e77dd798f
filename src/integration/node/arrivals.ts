import { subscribe } from "node:diagnostics_channel";
import type { Psession } from "../../psession.ts";
import { cameAt } from "../../request/arrival.ts";
import { leaveRequest, runInRequest } from "../../request/context.ts";
import { Moment } from "../../request/moment.ts";
import type { NodeRequest } from "./messages.ts";

const ARRIVAL = Symbol("psession.arrival");

/** A request, or HTTP/2's stream. */
interface Arriving {
  [ARRIVAL]?: Moment;
}

// Node publishes every request before it is handled: time spent in middleware and on bodies does not count.
subscribe("http.server.request.start", (message) => {
  (message as { readonly request: Arriving }).request[ARRIVAL] = new Moment();
  leaveRequest();
});
// Since Node 24. In older versions an HTTP/2 request counts from the first call of `momentOf`, as an upgrade does.
subscribe("http2.server.stream.start", (message) => {
  (message as { readonly stream: Arriving }).stream[ARRIVAL] = new Moment();
});

/** When the head of a request arrived, or the first call, if Node did not publish it. One object per request. */
export function momentOf(request: NodeRequest): Moment {
  const arriving = carrierOf(request);
  arriving[ARRIVAL] ??= new Moment();
  return arriving[ARRIVAL];
}

/** Whether Node's server began a turn of the event loop for this request, in which only its code runs. */
export const isServed = (request: NodeRequest): boolean =>
  request.httpVersionMajor === 2 || knownMomentOf(request) !== undefined;

/** The moment of what may be a request of Node's, without adding one. */
export function knownMomentOf(request: unknown): Moment | undefined {
  return typeof request === "object" && request !== null ? carrierOf(request)[ARRIVAL] : undefined;
}

/** When the head of a request arrived, by psession's clock, however long earlier middleware took. For `nodeFacts`. */
export function arrivedAt<Data extends object>(psession: Psession<Data>, request: NodeRequest): number {
  const { settings } = psession.core;
  const { clock } = settings;
  return cameAt(settings, (name) => request.headers[name], momentOf(request).by(clock) ?? clock.now());
}

/** Runs a handler as part of its request, so that code it calls can be distinguished from that of other requests. */
export const runInNodeRequest = <R>(request: NodeRequest, work: () => R): R =>
  runInRequest(momentOf(request), work);

function carrierOf(request: object): Arriving {
  const { httpVersionMajor, stream } = request as { httpVersionMajor?: number; stream?: Arriving };
  return httpVersionMajor === 2 && stream !== undefined ? stream : request;
}
