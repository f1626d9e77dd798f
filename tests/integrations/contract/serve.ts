import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { ServedIntegration, SiteAnswer } from "../../../src/testing/contracts.ts";

/** Serves a listener as applications do, and stops gracefully. */
export async function served(listener: RequestListener): Promise<ServedIntegration> {
  const server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((done) => server.close(() => done())),
  };
}

/** A body for frameworks that take text or a Node stream. */
export const nodeBody = ({ body }: SiteAnswer): string | Readable | undefined =>
  body === undefined || typeof body === "string" ? body : Readable.from(body, { objectMode: false });
