import { headerOf } from "./facts.ts";

/** What servers hand to their handlers beside the request, as far as it tells of upgrades. */
interface ServerContext {
  readonly incoming?: { readonly upgrade?: unknown };
  readonly wss?: unknown;
  readonly server?: BunServer;
}

interface BunServer {
  requestIP?(request: Request): unknown;
}

const never = () => false;

/**
 * Asked before the handler runs; what it gives says afterwards whether the server took the request over, so that the
 * handler's Response reaches nobody. Any client can send the header, so it only makes us look.
 */
export function watchUpgrade(request: Request, context: unknown): () => boolean {
  if (headerOf(request)("upgrade") === undefined || typeof context !== "object" || context === null)
    return never;
  const { incoming, wss, server = context as BunServer } = context as ServerContext;
  // @hono/node-ws sends a head of its own; @hono/node-server has a `wss` here, and sends our headers along.
  if (incoming !== undefined) return () => incoming.upgrade === true && wss === undefined;
  // Bun knows no address any more of a request that has become a socket.
  if (typeof server.requestIP !== "function" || !hasAddress(server, request)) return never;
  return () => !hasAddress(server, request);
}

const hasAddress = (server: BunServer, request: Request): boolean =>
  (server.requestIP?.(request) ?? null) !== null;
