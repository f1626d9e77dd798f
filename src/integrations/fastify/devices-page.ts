import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type DevicesPageOptions, devicesPageEndpoint } from "../../integration/devices-page/endpoint.ts";
import { parseForm } from "../../integration/devices-page/form.ts";
import { asked } from "../../integration/node/facts.ts";
import { missingSession, send } from "./guards.ts";
import { originOf } from "./origin.ts";

/**
 * The user's devices as a page (docs/account/devices-page.md), behind `sessions`:
 * `app.register(devicesPage, { prefix: "/account/devices" })`.
 */
export async function devicesPage(
  instance: FastifyInstance,
  { prefix, ...options }: DevicesPageOptions & { prefix?: string },
): Promise<void> {
  const endpoint = devicesPageEndpoint(options);
  // The page reads its form itself, whatever parsers the application has.
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser("*", { parseAs: "string" }, (_request, text, done) => {
    done(null, text);
  });
  // Wrong methods too: the page answers them itself.
  instance.all("/", async (request: FastifyRequest, reply: FastifyReply) => {
    if (typeof request.openSession !== "function") throw missingSession();
    const answer = await endpoint({
      path: request.originalUrl,
      session: await request.openSession(),
      body: async () => parseForm(String(request.body ?? "")),
      ...asked(request, originOf(request)),
    });
    return send(reply, answer);
  });
}
