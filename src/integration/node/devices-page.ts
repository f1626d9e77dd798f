import type { IncomingMessage, ServerResponse } from "node:http";
import type { Session } from "../../session.ts";
import { belowMount, isMount } from "../device-endpoints.ts";
import { type DevicesPageOptions, devicesPageEndpoint } from "../devices-page/endpoint.ts";
import { formOf } from "../devices-page/form.ts";
import { asked, type NodeOptions, pathOf, visibleOrigin } from "./facts.ts";
import { send } from "./send.ts";

/** Where the page of devices is, how it looks, and what it asks of its users. */
export interface NodeDevicesPageOptions extends DevicesPageOptions, NodeOptions {
  /** Where the page is, such as "/account/devices". */
  path: string;
}

/**
 * The user's devices as a page (docs/account/devices-page.md). True for other paths, whose request may go on; false where
 * it was answered.
 */
export function devicesPage({ path, trustProxy = false, ...options }: NodeDevicesPageOptions): (
  request: IncomingMessage,
  response: ServerResponse,
  // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
  session: Session<any>,
) => Promise<boolean> {
  const answerFor = answersDevicesPage(options);
  const below = belowMount(path);
  return async (request, response, session) => {
    if (!isMount(below(request.url ?? "/"))) return true;
    await answerFor(request, response, { session, origin: visibleOrigin(request, trustProxy) });
    return false;
  };
}

/** For integrations that speak Node's request and response. */
export function answersDevicesPage(options: DevicesPageOptions) {
  const endpoint = devicesPageEndpoint(options);
  return async (
    request: IncomingMessage & { readonly body?: unknown },
    response: ServerResponse,
    // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
    { session, origin }: { session: Session<any>; origin: string },
  ): Promise<void> => {
    const body = () => formOf(request, request.body);
    send(response, await endpoint({ ...asked(request, origin), path: pathOf(request), session, body }));
  };
}
