import { createServer } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { createDemo, type Demo } from "../../examples/demo/app.ts";
import type { Tls } from "../../examples/demo/certificate.ts";
import { closed, HttpClient, listening } from "./http.ts";
import { temporaryFolder } from "./temp.ts";

export interface RunningDemo extends Demo {
  /** http://localhost:<port>, or https */
  readonly url: string;
  readonly dir: string;
  /** What the demo logged as its own fault. */
  readonly logged: unknown[];
  /** The messages that it printed. */
  readonly printed: string[];
  client(): HttpClient;
}

/** The demo on a free port with a folder of its own, until the test ends; with a certificate over https. */
export async function startDemo(dir = temporaryFolder(), tls?: Tls): Promise<RunningDemo> {
  const logged: unknown[] = [];
  const printed: string[] = [];
  const demo: Demo = createDemo({
    dir,
    tls,
    log: (error) => void logged.push(error),
    print: (line) => void printed.push(line),
    // In tests authenticator apps go with the demo's clock: to wait for the next code is to move it.
    authenticatorTime: () => demo.clock.now(),
  });
  const server = tls === undefined ? createServer(demo.app) : createHttps(tls, demo.app);
  await listening(server);
  onTestFinished(async () => {
    await closed(server);
    await demo.close();
  });
  const url = `${tls === undefined ? "http" : "https"}://localhost:${(server.address() as AddressInfo).port}`;
  return {
    ...demo,
    close: () => demo.close(),
    url,
    dir,
    logged,
    printed,
    client: () => new HttpClient(url.replace("localhost", "127.0.0.1")),
  };
}
