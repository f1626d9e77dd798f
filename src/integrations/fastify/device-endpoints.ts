import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  BodyTooLarge,
  type DevicesOptions,
  devicesEndpoint,
  LONGEST_BODY,
} from "../../integration/device-endpoints.ts";
import { asked } from "../../integration/node/facts.ts";
import { missingSession, send } from "./guards.ts";
import { originOf } from "./origin.ts";

/**
 * The user's devices as JSON endpoints (docs/devices.md), behind `sessions`:
 * `app.register(devices, { prefix: "/account/devices" })`.
 */
export async function devices(
  instance: FastifyInstance,
  { prefix, ...options }: DevicesOptions & { prefix?: string },
): Promise<void> {
  const endpoint = devicesEndpoint(options);
  const mount = instance.prefix;
  // The endpoint parses bodies itself: Fastify refuses a DELETE with JSON's content type and no body.
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser("*", { parseAs: "string" }, (_request, text, done) => {
    done(null, text);
  });
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    if (typeof request.openSession !== "function") throw missingSession();
    const answer = await endpoint({
      url: request.url.slice(mount.length),
      session: await request.openSession(),
      body: async () => parsed(String(request.body)),
      ...asked(request, originOf(request)),
    });
    return send(reply, answer);
  };
  // Wrong methods too: the endpoint answers them itself.
  for (const url of ["/", "/*"]) instance.all(url, handler);
}

function parsed(text: string): unknown {
  if (Buffer.byteLength(text) > LONGEST_BODY) throw new BodyTooLarge();
  return JSON.parse(text);
}
