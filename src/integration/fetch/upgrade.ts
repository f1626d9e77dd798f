import { headerOf } from "./facts.ts";

/** The part that concerns upgrades of what servers pass to handlers beside the request. */
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
 * Call it before the handler runs; the function it gives says afterwards whether the server took over the connection,
 * so that the handler's Response is not sent. The header alone proves nothing, as any client can send it.
 */
export function watchUpgrade(request: Request, context: unknown): () => boolean {
  if (headerOf(request)("upgrade") === undefined || typeof context !== "object" || context === null)
    return never;
  const { incoming, wss, server = context as BunServer } = context as ServerContext;
  // @hono/node-ws sends a head of its own; @hono/node-server has a `wss` here, and sends the response's headers.
  if (incoming !== undefined) return () => incoming.upgrade === true && wss === undefined;
  // Bun no longer knows an address for a request that has become a socket.
  if (typeof server.requestIP !== "function" || !hasAddress(server, request)) return never;
  return () => !hasAddress(server, request);
}

const hasAddress = (server: BunServer, request: Request): boolean =>
  (server.requestIP?.(request) ?? null) !== null;
