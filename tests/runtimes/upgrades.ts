/** Real WebSockets of Bun or Deno, through Hono: what their upgrades do to a remembered browser. */
import assert from "node:assert/strict";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { createPsession, dangerouslyAllowInsecureHttp, memoryStore } from "../../src/index.ts";
import { type SessionVariables, sessions } from "../../src/integrations/hono/index.ts";
import type { ContractCase } from "../../src/testing/contracts.ts";
import { Visitor } from "../../src/testing/http/client.ts";
import { isBun, onDeno, serveOnBun } from "./servers.ts";

interface Upgrades {
  upgradeWebSocket(events: (c: Context) => object): MiddlewareHandler;
  /** Bun's handlers. */
  readonly websocket?: object;
}

const DAY = 86_400_000;

export const upgrades: ContractCase[] = [
  {
    name: "a WebSocket opens, and its browser's token is exchanged by the next page, whatever that page's headers say",
    run: async () => {
      const { upgradeWebSocket, websocket }: Upgrades = await import(isBun ? "hono/bun" : "hono/deno");
      const clock = { time: Date.UTC(2030, 0, 1), now: () => clock.time };
      const psession = createPsession({
        store: memoryStore(),
        keys: ["runtimes-q7Zr2Xw9Lk4Vt8Bn3Yc6Hd1F"],
        clock,
        prune: false,
        [dangerouslyAllowInsecureHttp]: true,
      });
      const told: string[] = [];
      psession.on("*", ({ type }) => void told.push(type));
      const app = new Hono<{ Variables: SessionVariables }>();
      app.use(sessions(psession));
      app.get("/login", async (c) => {
        await (await c.var.session).login("ada", { remember: true });
        return c.text("in");
      });
      app.get("/page", async (c) => c.text(String((await c.var.session).userId)));
      app.use("/socket", async (c, next) => {
        assert.equal((await c.var.session).userId, "ada");
        await next();
      });
      app.get(
        "/socket",
        upgradeWebSocket(() => ({
          onOpen: (_event: unknown, socket: { send(text: string): void }) => socket.send("hello"),
        })),
      );
      const handler = (request: Request, context: unknown) => app.fetch(request, context as object);
      const served = isBun ? serveOnBun(handler, websocket) : await onDeno.serve(handler);
      const ada = new Visitor(served.url);
      await ada.get("/login");
      ada.restart();
      clock.time += DAY;
      // Both run times' WebSocket takes headers.
      const Socket = WebSocket as unknown as new (url: string, options: object) => WebSocket;
      const socket = new Socket(`${served.url.replace("http", "ws")}/socket`, {
        headers: { cookie: ada.cookie },
      });
      const greeting = await new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => reject(new Error("the upgrade failed"));
      });
      socket.close();
      assert.equal(greeting, "hello");
      assert.deepEqual([told.includes("accepted"), told.includes("restored")], [true, false]);
      const headers = { upgrade: "websocket", connection: "upgrade" };
      const { text, setCookie } = await ada.get("/page", { headers });
      assert.deepEqual([text, setCookie.length], ["ada", 2]);
      ada.leave();
      await served.close();
      await psession.close();
    },
  },
];
