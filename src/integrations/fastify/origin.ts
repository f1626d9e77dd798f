import type { FastifyRequest } from "fastify";
import { isSecureScheme, originAt } from "../../http/scheme.ts";

/** Scheme, host and port as the visitor sees them; forwarded headers count as far as Fastify's `trustProxy` goes. */
export const originOf = ({ protocol, host }: FastifyRequest): string =>
  originAt(isSecureScheme(protocol), host);
