import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as send } from "node:http";
import { connect } from "node:net";
import type { ContractData } from "./integration.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly setCookie: readonly string[];
  readonly text: string;
}

export interface Sending {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Presents these cookies instead of those of the jar, and learns none. */
  readonly cookie?: string;
  readonly body?: string;
}

/** What a site says of its visitor's session. */
export interface Seen {
  readonly userId: string | null;
  readonly level: string;
  readonly outcome: string;
  readonly data: ContractData;
}

/** A browser as far as cookies go. Redirects are not followed: their cookies are what is to be seen. */
export class Visitor {
  /** Name to value, with those that go when the browser closes marked. */
  readonly jar = new Map<string, { readonly value: string; readonly isTransient: boolean }>();
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
  }

  get cookie(): string {
    return [...this.jar].map(([name, { value }]) => `${name}=${value}`).join("; ");
  }

  async get(path: string, sending: Sending = {}): Promise<Answer> {
    const response = await this.start(path, sending);
    return answerOf(response, await textOf(response));
  }

  post(path: string, sending: Sending = {}): Promise<Answer> {
    return this.get(path, { method: "POST", ...sending });
  }

  async json(path: string, sending: Sending = {}): Promise<unknown> {
    return JSON.parse((await this.get(path, sending)).text);
  }

  /** What the site's page about its visitor says. */
  async read(sending: Sending = {}): Promise<Seen> {
    return (await this.json("/read", sending)) as Seen;
  }

  /** Sends a request and waits for the head of its answer. */
  start(path: string, sending: Sending = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = this.#call(path, sending);
      call.on("error", reject).on("response", (response) => {
        if (sending.cookie === undefined) this.#learn(response.headers["set-cookie"] ?? []);
        resolve(response);
      });
      call.end(sending.body);
    });
  }

  /** Sends the head of a request with a JSON body, which is to follow. */
  upload(
    path: string,
    sending: Sending = {},
  ): { readonly answer: Promise<Answer>; finish(body: unknown): void } {
    const headers = { "content-type": "application/json", ...sending.headers };
    const call = this.#call(path, { method: "POST", ...sending, headers });
    call.flushHeaders();
    const answer = new Promise<Answer>((resolve, reject) => {
      call.on("error", reject).on("response", (response) => {
        this.#learn(response.headers["set-cookie"] ?? []);
        textOf(response).then((text) => resolve(answerOf(response, text)), reject);
      });
    });
    return { answer, finish: (body) => void call.end(JSON.stringify(body)) };
  }

  /** Sends a request; `hangUp` breaks the connection, whatever became of it. */
  startAndLeave(path: string): { hangUp(): void } {
    const call = this.#call(path, {});
    // What breaks here is what the case is about.
    call.on("error", () => {});
    call.end();
    return { hangUp: () => void call.destroy() };
  }

  /** Sends all requests at once on one connection, as HTTP/1.1 allows, and gives all that comes back. */
  async pipeline(paths: readonly string[]): Promise<string> {
    const { host, port, hostname } = new URL(this.#url);
    const socket = connect(Number(port), hostname);
    const heads = paths.map((path, index) => {
      const last = index === paths.length - 1 ? "Connection: close\r\n" : "";
      return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${this.cookie}\r\n${last}\r\n`;
    });
    socket.write(heads.join(""));
    let text = "";
    for await (const chunk of socket.setEncoding("utf8")) text += chunk;
    return text;
  }

  /** Closes the browser and opens it again: cookies without Max-Age are gone. */
  restart(): void {
    for (const [name, { isTransient }] of this.jar) if (isTransient) this.jar.delete(name);
  }

  leave(): void {
    this.#agent.destroy();
  }

  #call(path: string, { method = "GET", headers = {}, cookie = this.cookie }: Sending) {
    // As a proxy asks for it (RFC 9112 section 3.2.2), where the path is a whole address.
    const target = path.startsWith("/") ? {} : { path };
    return send(this.#url + (path.startsWith("/") ? path : "/"), {
      ...target,
      method,
      agent: this.#agent,
      headers: { ...(cookie === "" ? {} : { cookie }), ...headers },
    });
  }

  #learn(lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = "", ...attributes] = line.split("; ");
      const equals = pair.indexOf("=");
      const maxAge = attributes.find((attribute) => /^max-age=/i.test(attribute))?.slice(8);
      const name = pair.slice(0, equals);
      if (maxAge === "0") this.jar.delete(name);
      else this.jar.set(name, { value: pair.slice(equals + 1), isTransient: maxAge === undefined });
    }
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return text;
}

const answerOf = ({ statusCode = 0, headers }: IncomingMessage, text: string): Answer => ({
  status: statusCode,
  headers,
  setCookie: headers["set-cookie"] ?? [],
  text,
});
