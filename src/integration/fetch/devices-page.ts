import type { Session } from "../../session.ts";
import { belowMount, isMount } from "../device-endpoints.ts";
import { type DevicesPageOptions, devicesPageEndpoint } from "../devices-page/endpoint.ts";
import { type FormFields, readForm } from "../devices-page/form.ts";
import type { ProxyOptions } from "../forwarded.ts";
import { asked, pathOf } from "./facts.ts";
import { responseOf } from "./response.ts";

/** Where the page of devices is, how it looks, and what it asks of its users. */
export interface FetchDevicesPageOptions extends DevicesPageOptions, ProxyOptions {
  /** Where the page is, such as "/account/devices". */
  path: string;
}

/** The user's devices as a page (docs/account/devices-page.md). Gives the answer, or undefined for other paths. */
export function devicesPage({ path, trustProxy, ...options }: FetchDevicesPageOptions) {
  const endpoint = devicesPageEndpoint(options);
  const below = belowMount(path);
  return async (
    request: Request,
    // biome-ignore lint/suspicious/noExplicitAny: devices have nothing to do with the data.
    getSession: () => PromiseLike<Session<any>>,
    /** The form, where something before this has read the body. */
    body: () => Promise<FormFields> = () => readForm(request.body),
  ): Promise<Response | undefined> => {
    const target = pathOf(request);
    if (!isMount(below(target))) return undefined;
    const answer = await endpoint({
      ...asked(request, trustProxy),
      path: target,
      session: await getSession(),
      body,
    });
    return responseOf(answer);
  };
}
