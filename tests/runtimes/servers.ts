import type { ServedIntegration } from "../../src/testing/contracts.ts";
import type { FetchServer } from "../integrations/contract/fetch.ts";

/** What is used of Bun's and Deno's globals; neither has types here. */
interface BunServer {
  readonly port: number;
  requestIP(request: Request): { readonly address: string } | null;
  stop(): Promise<void>;
}
interface DenoInfo {
  readonly remoteAddr: { readonly hostname: string };
}
declare const Bun: {
  readonly version: string;
  serve(options: {
    hostname: string;
    port: number;
    fetch(request: Request, server: BunServer): Response | Promise<Response>;
    websocket?: object;
  }): BunServer;
};
declare const Deno: {
  readonly version: { readonly deno: string };
  serve(
    options: { hostname: string; port: number; onListen(): void },
    handler: (request: Request, info: DenoInfo) => Response | Promise<Response>,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
};

const hostname = "127.0.0.1";

type BunHandler = (request: Request, server: BunServer) => Response | Promise<Response>;

/** `websocket`: what handles the messages of sockets. */
export function serveOnBun(fetch: BunHandler, websocket?: object): ServedIntegration {
  const sockets = websocket === undefined ? {} : { websocket };
  const server = Bun.serve({ hostname, port: 0, fetch, ...sockets });
  return { url: `http://${hostname}:${server.port}`, close: () => server.stop() };
}

export const onBun: FetchServer<[BunServer]> = {
  seesHeads: false,
  serve: (fetch) => serveOnBun(fetch),
  address: (request, server) => server.requestIP(request)?.address,
};

export const onDeno: FetchServer<[DenoInfo]> = {
  seesHeads: false,
  serve(handler): ServedIntegration {
    const server = Deno.serve({ hostname, port: 0, onListen: () => {} }, handler);
    return { url: `http://${hostname}:${server.addr.port}`, close: () => server.shutdown() };
  },
  address: (_request, { remoteAddr }) => remoteAddr.hostname,
};

export const isBun = "Bun" in globalThis;
export const runtime = () => (isBun ? `Bun ${Bun.version}` : `Deno ${Deno.version.deno}`);
