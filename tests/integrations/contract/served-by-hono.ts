import type { Server } from "node:http";
import { type HttpBindings, serve } from "@hono/node-server";
import type { FetchServer } from "./fetch.ts";

/** Node, with the server that Hono brings for it. */
export const onNode: FetchServer<[HttpBindings]> = {
  seesHeads: true,
  serve: (fetch) =>
    new Promise((done) => {
      const options = {
        fetch: fetch as Parameters<typeof serve>[0]["fetch"],
        hostname: "127.0.0.1",
        port: 0,
      };
      const server = serve(options, ({ port }) => {
        done({
          url: `http://127.0.0.1:${port}`,
          close: () => new Promise((closed) => void (server as Server).close(() => closed())),
        });
      });
    }),
  address: (_request, { incoming }) => incoming.socket.remoteAddress,
};
