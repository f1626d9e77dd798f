import type { IncomingMessage, ServerResponse } from "node:http";
import type { Session } from "../../session.ts";
import {
  BodyTooLarge,
  belowMount,
  type DevicesOptions,
  devicesEndpoint,
  LONGEST_BODY,
} from "../device-endpoints.ts";
import { asked, type NodeOptions, visibleOrigin } from "./facts.ts";
import { send } from "./send.ts";

/** Where the endpoints of devices are, and what they ask. */
export interface NodeDevicesOptions extends DevicesOptions, NodeOptions {
  /** Where the endpoints are, such as "/account/devices". */
  path: string;
}

/**
 * The user's devices as JSON endpoints (docs/devices.md). True for other paths, whose request may go on; false where
 * it was answered.
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
    const body = () => readJson(request);
    send(response, await endpoint({ ...asked(request, origin), url, session, body }));
  };
}

/** The body as an earlier parser left it, or read here. */
export async function readJson(request: IncomingMessage & { readonly body?: unknown }): Promise<unknown> {
  if (request.body !== undefined || request.readableEnded) return request.body;
  const chunks: Buffer[] = [];
  let length = 0;
  // Destroying the request would destroy the connection, and with it the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length;
    if (length > LONGEST_BODY) {
      // As Node does with a body that no handler reads.
      request.resume();
      throw new BodyTooLarge();
    }
    chunks.push(chunk as Buffer);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
