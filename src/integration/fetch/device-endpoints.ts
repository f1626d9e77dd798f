import type { Session } from "../../session.ts";
import {
  BodyTooLarge,
  belowMount,
  type DevicesOptions,
  devicesEndpoint,
  LONGEST_BODY,
  piecesOf,
} from "../device-endpoints.ts";
import type { ProxyOptions } from "../forwarded.ts";
import { asked, pathOf } from "./facts.ts";
import { responseOf } from "./response.ts";

/** Where the endpoints of devices are, and what they ask. */
export interface FetchDevicesOptions extends DevicesOptions, ProxyOptions {
  /** Where the endpoints are, such as "/account/devices". */
  path: string;
}

/**
 * The user's devices as JSON endpoints (docs/devices.md). Gives the answer, or undefined for other paths.
 */
export function devices({ path, trustProxy, ...options }: FetchDevicesOptions) {
  const endpoint = devicesEndpoint(options);
  const below = belowMount(path);
  return async (
    request: Request,
    // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
    getSession: () => PromiseLike<Session<any>>,
  ): Promise<Response | undefined> => {
    const url = below(pathOf(request));
    if (url === undefined) return undefined;
    const answer = await endpoint({
      ...asked(request, trustProxy),
      url,
      session: await getSession(),
      body: () => readJson(request),
    });
    return responseOf(answer);
  };
}

/** Reads up to the limit, while `request.json()` would read a body of any length. */
async function readJson(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of piecesOf(request.body)) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
