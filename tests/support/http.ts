import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { cookieHeader, type Jar, receive } from "./app.ts";

/** Serves on a free port of loopback until the test ends; gives the base URL. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await listening(server);
  onTestFinished(() => closed(server));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function listening(server: Server, port = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
}

export function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly setCookie: readonly string[];
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came.
  readonly json: any;
}

/** An HTTP client with a cookie jar. Redirects are not followed: their cookies are what is to be seen. */
export class HttpClient {
  jar: Jar = new Map();
  readonly base: string;

  constructor(base: string) {
    this.base = base;
  }

  async request(path: string, init: RequestInit & { jar?: Jar } = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    const cookie = cookieHeader(init.jar ?? this.jar);
    if (cookie !== undefined && !headers.has("cookie")) headers.set("cookie", cookie);
    const response = await fetch(this.base + path, { ...init, headers, redirect: "manual" });
    const setCookie = response.headers.getSetCookie();
    for (const line of setCookie) receive(this.jar, line);
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      setCookie,
      text,
      get json() {
        return JSON.parse(text);
      },
    };
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request(path, { headers });
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Answer> {
    const json = { "content-type": "application/json", accept: "application/json", ...headers };
    return this.request(path, { method: "POST", headers: json, body: JSON.stringify(body) });
  }

  restart(): void {
    for (const [name, { isTransient }] of this.jar) if (isTransient) this.jar.delete(name);
  }
}
