import { subscribe } from "node:diagnostics_channel";
import type { Psession } from "../../psession.ts";
import { cameAt } from "../../request/arrival.ts";
import { leaveRequest } from "../../request/context.ts";
import { Moment } from "../../request/moment.ts";
import type { NodeRequest } from "./messages.ts";

const ARRIVAL = Symbol("psession.arrival");

/** A request, or HTTP/2's stream. */
interface Arriving {
  [ARRIVAL]?: Moment;
}

// Node tells of every request before anybody handles it: what middleware and bodies take does not count.
subscribe("http.server.request.start", (message) => {
  (message as { readonly request: Arriving }).request[ARRIVAL] = new Moment();
  leaveRequest();
});
// Since Node 24; before, an HTTP/2 request arrives when it is first looked at, as an upgrade does.
subscribe("http2.server.stream.start", (message) => {
  (message as { readonly stream: Arriving }).stream[ARRIVAL] = new Moment();
});

/** When the head of a request arrived, or was first looked at where Node does not tell. One object per request. */
export function momentOf(request: NodeRequest): Moment {
  const arriving = carrierOf(request);
  arriving[ARRIVAL] ??= new Moment();
  return arriving[ARRIVAL];
}

/** A server of Node's began a turn for this request, in which nobody else's code runs. */
export const isServed = (request: NodeRequest): boolean =>
  request.httpVersionMajor === 2 || knownMomentOf(request) !== undefined;

/** Of what may be a request of Node's, without leaving anything on it. */
export function knownMomentOf(request: unknown): Moment | undefined {
  return typeof request === "object" && request !== null ? carrierOf(request)[ARRIVAL] : undefined;
}

/** When the head of a request arrived, by psession's clock, whatever stood before who asks. For `nodeFacts`. */
export function arrivedAt<Data extends object>(psession: Psession<Data>, request: NodeRequest): number {
  const { settings } = psession.core;
  const { clock } = settings;
  return cameAt(settings, (name) => request.headers[name], momentOf(request).by(clock) ?? clock.now());
}

function carrierOf(request: object): Arriving {
  const { httpVersionMajor, stream } = request as { httpVersionMajor?: number; stream?: Arriving };
  return httpVersionMajor === 2 && stream !== undefined ? stream : request;
}
