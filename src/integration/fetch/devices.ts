import type { Session } from "../../session.ts";
import { BodyTooLarge, belowMount, type DevicesOptions, devicesEndpoint, LONGEST_BODY } from "../devices.ts";
import { headerOf, pathOf, visibleOrigin } from "./facts.ts";
import type { ProxyOptions } from "./options.ts";

/** Where the endpoints of devices are, and what they ask. */
export interface FetchDevicesOptions extends DevicesOptions, ProxyOptions {
  /** Where the endpoints are, such as "/account/devices". */
  path: string;
}

/**
 * The user's devices as JSON endpoints (docs/devices.md). Gives the answer, or undefined where the request asks
 * for something else.
 */
export function devices({ path, trustProxy = false, ...options }: FetchDevicesOptions) {
  const endpoint = devicesEndpoint(options);
  const below = belowMount(path);
  return async (
    request: Request,
    // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
    getSession: () => PromiseLike<Session<any>>,
  ): Promise<Response | undefined> => {
    const url = below(pathOf(request));
    if (url === undefined) return undefined;
    const { status, headers, body } = await endpoint({
      method: request.method,
      url,
      header: headerOf(request),
      origin: visibleOrigin(request, trustProxy),
      session: await getSession(),
      body: () => readJson(request),
    });
    return Response.json(body, { status, headers });
  };
}

/** No more of the body than an answer needs: `request.json()` takes whatever is sent. */
async function readJson(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
