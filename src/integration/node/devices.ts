import type { IncomingMessage, ServerResponse } from "node:http";
import type { Session } from "../../session.ts";
import { BodyTooLarge, belowMount, type DevicesOptions, devicesEndpoint, LONGEST_BODY } from "../devices.ts";
import { type NodeOptions, visibleOrigin } from "./facts.ts";

/** Where the endpoints of devices are, and what they ask. */
export interface NodeDevicesOptions extends DevicesOptions, NodeOptions {
  /** Where the endpoints are, such as "/account/devices". */
  path: string;
}

/**
 * The user's devices as JSON endpoints (docs/devices.md). True where the request asks for something else and may go
 * on; false where it was answered.
 */
export function devices({ path, trustProxy = false, ...options }: NodeDevicesOptions): (
  request: IncomingMessage,
  response: ServerResponse,
  // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
  session: Session<any>,
) => Promise<boolean> {
  const answerFor = answersDevices(options);
  const below = belowMount(path);
  return async (request, response, session) => {
    const url = below(request.url ?? "/");
    if (url === undefined) return true;
    await answerFor(request, response, { session, origin: visibleOrigin(request, trustProxy), url });
    return false;
  };
}

/** For integrations that speak Node's request and response. */
export function answersDevices(options: DevicesOptions) {
  const endpoint = devicesEndpoint(options);
  return async (
    request: IncomingMessage,
    response: ServerResponse,
    // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
    { session, origin, url }: { session: Session<any>; origin: string; url: string },
  ): Promise<void> => {
    const { method, headers } = request;
    const header = (name: string) => headers[name];
    const body = () => readJson(request);
    const answer = await endpoint({ method, header, origin, url, session, body });
    response.statusCode = answer.status;
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
    response.setHeader("Content-Type", "application/json; charset=utf-8");
    response.end(JSON.stringify(answer.body));
  };
}

/** What a parser before us has made of the body, or the body itself where nobody has read it. */
export async function readJson(request: IncomingMessage & { readonly body?: unknown }): Promise<unknown> {
  if (request.body !== undefined || request.readableEnded) return request.body;
  const chunks: Buffer[] = [];
  let length = 0;
  // Destroyed with its request, the connection would carry no answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length;
    if (length > LONGEST_BODY) {
      // As Node does with a body that nobody reads.
      request.resume();
      throw new BodyTooLarge();
    }
    chunks.push(chunk as Buffer);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
