import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import express from "express";
import { onTestFinished } from "vitest";
import { devicesPage, sessions } from "../../src/integrations/express/index.ts";
import { testApp } from "./app.ts";
import { selfSigned } from "./certificate.ts";
import { closed, listening } from "./http.ts";

/** A site over https whose page of devices sends signed-out visitors to /please. Gives its address. */
export async function serveDevicesSite(): Promise<string> {
  const { psession } = testApp();
  const site = express();
  site.use(sessions(psession));
  site.get("/login", async ({ session }, response) => {
    await session.login("ada", { method: "password" });
    response.redirect(303, "/devices");
  });
  site.get("/", (_request, response) => void response.send("<h1>home</h1>"));
  site.get("/please", (_request, response) => void response.send("<h1>please sign in</h1>"));
  site.use("/devices", devicesPage({ redirectTo: "/please" }));
  const server = createServer(selfSigned(), site);
  await listening(server as never);
  onTestFinished(() => closed(server as never));
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
