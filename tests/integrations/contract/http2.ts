import { once } from "node:events";
import { connect, createServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";
import type { HttpIntegration, ServedIntegration } from "../../../src/testing/contracts.ts";
import { sessionListener } from "./node.ts";
import { served } from "./serve.ts";

/** As the integration of node:http, on HTTP/2. */
export const http2Integration: HttpIntegration = {
  isLazy: false,
  // Node before 24 does not say.
  seesHeads: Number.parseInt(process.versions.node, 10) >= 24,
  async serve(setup) {
    const server = createServer(sessionListener<Http2ServerRequest, Http2ServerResponse>(setup));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return behindGateway(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, server);
  },
};

const OF_ONE_CONNECTION = new Set(["connection", "keep-alive", "transfer-encoding", "host", "upgrade"]);

/** The contract's client speaks HTTP/1.1, so a gateway stands before the server, as it does in production. */
async function behindGateway(
  target: string,
  server: { close(done: () => void): void },
): Promise<ServedIntegration> {
  const client = connect(target);
  await once(client, "connect");
  const gateway = await served((request, response) => {
    const forwarded = Object.entries(request.headers).filter(([name]) => !OF_ONE_CONNECTION.has(name));
    const { cookie = "", ...headers } = Object.fromEntries(forwarded);
    const stream = client.request({
      ":method": request.method,
      // HTTP/2 has one form for targets (RFC 9113 section 8.3.1).
      ":path": request.url?.replace(/^http:\/\/[^/]+/, ""),
      ":authority": request.headers.host,
      ...headers,
      // As browsers send them: each pair in a field of its own (RFC 9113, section 8.2.3).
      ...(cookie === "" ? {} : { cookie: String(cookie).split("; ") }),
    });
    stream.on("response", (head) => {
      const fields = Object.entries(head).filter(([name]) => !name.startsWith(":"));
      response.writeHead(head[":status"] ?? 0, Object.fromEntries(fields) as Record<string, string>);
      response.flushHeaders();
      pipeline(stream, response, () => {});
    });
    stream.on("error", () => response.destroy());
    response.on("close", () => {
      if (!response.writableFinished) stream.close();
    });
    pipeline(request, stream, () => {});
  });
  return {
    url: gateway.url,
    close: async () => {
      await gateway.close();
      client.close();
      await new Promise<void>((done) => server.close(done));
    },
  };
}
