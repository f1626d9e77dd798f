import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { whenDone } from "./cleanup.ts";

/** What the client has sent over one connection since the trigger was set, with what is about to be passed on. */
export type Trigger = (sent: Buffer) => boolean;

/** A trigger for bytes that hold `text`; prepared statements show theirs only when they are prepared. */
export function sends(text: string): Trigger {
  return (sent) => sent.includes(text);
}

export interface Proxy {
  readonly port: number;
  /** Connections of clients that are open. */
  readonly connections: number;
  /** A server's address, with this proxy in the place of the server. */
  through(url: string): string;
  /** Passes nothing on any more, in neither direction: connections stay open, and new ones get no answer. */
  stall(): void;
  /** Ends `stall` and `refuse`; what was held back goes on its way. */
  resume(): void;
  /** Resets every connection, at both ends. */
  reset(): void;
  /** The connections that are open are never answered again, and the server has lost them; new ones are as usual. */
  freeze(): void;
  /** The connections that are open are reset when the client uses them, and the server has lost them. */
  expire(): void;
  /** Resets the first connection over which `trigger` is sent: the server never gets it. Done when that happened. */
  resetBefore(trigger: Trigger): Promise<void>;
  /**
   * Resets the first connection over which `trigger` is sent, when the server answers it: the client never gets the
   * answer. A number lets the server have that many more bytes and then the end. Done when that happened.
   */
  resetAfter(trigger: Trigger | number): Promise<void>;
  /** Resets every new connection; those that are open go on. */
  refuse(): void;
  /** Done by itself when the test or the file is over. */
  close(): Promise<void>;
}

/** A TCP proxy on loopback, between a client and the server at `target`, in which faults happen exactly when told. */
export async function startProxy(target: { readonly host?: string; readonly port: number }): Promise<Proxy> {
  const proxy = new FaultyProxy(target.host ?? "127.0.0.1", target.port);
  await proxy.listen();
  whenDone(() => proxy.close());
  return proxy;
}

interface Fault {
  readonly kind: "before" | "after" | "bytes";
  readonly trigger: Trigger;
  readonly limit: number;
  readonly happened: () => void;
}

/** One client with its connection to the server. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  sent: Buffer;
  /** The server's next answer is the one to lose. */
  losesAnswer: Fault | undefined;
  /** The server has lost it, and what the client gets for its next bytes is this. */
  end: "silence" | "reset" | undefined;
}

class FaultyProxy implements Proxy {
  readonly #host: string;
  readonly #port: number;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #gate: PromiseWithResolvers<void> | undefined;
  #isRefusing = false;
  #fault: Fault | undefined;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  async listen(): Promise<void> {
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get connections(): number {
    return [...this.#pairs].filter(({ client }) => !client.destroyed).length;
  }

  through(url: string): string {
    const address = new URL(url);
    address.hostname = "127.0.0.1";
    address.port = String(this.port);
    return address.href;
  }

  stall(): void {
    this.#gate ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#isRefusing = false;
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  reset(): void {
    for (const pair of this.#pairs) this.#break(pair);
  }

  freeze(): void {
    this.#lose("silence");
  }

  expire(): void {
    this.#lose("reset");
  }

  resetBefore(trigger: Trigger): Promise<void> {
    return this.#arm("before", trigger, 0);
  }

  resetAfter(trigger: Trigger | number): Promise<void> {
    return typeof trigger === "number"
      ? this.#arm("bytes", (sent) => sent.length >= trigger, trigger)
      : this.#arm("after", trigger, 0);
  }

  refuse(): void {
    this.#isRefusing = true;
  }

  async close(): Promise<void> {
    if (!this.#listener.listening) return;
    const closed = once(this.#listener, "close");
    this.#listener.close();
    this.reset();
    this.resume();
    await closed;
  }

  #arm(kind: Fault["kind"], trigger: Trigger, limit: number): Promise<void> {
    for (const pair of this.#pairs) pair.sent = Buffer.alloc(0);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#fault = { kind, trigger, limit, happened: resolve };
    return promise;
  }

  #accept(client: Socket): void {
    // What breaks a connection shows where it is read; unheard, it would end the process.
    client.on("error", () => {});
    if (this.#isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ host: this.#host, port: this.#port, allowHalfOpen: true, noDelay: true });
    server.on("error", () => {});
    const pair: Pair = { client, server, sent: Buffer.alloc(0), losesAnswer: undefined, end: undefined };
    this.#pairs.add(pair);
    for (const socket of [client, server]) socket.once("close", () => this.#forget(pair));
    for (const passing of [this.#toServer(pair), this.#toClient(pair)])
      passing.catch(() => {
        if (pair.end === undefined || pair.client.destroyed) this.#break(pair);
      });
  }

  async #toServer(pair: Pair): Promise<void> {
    for await (const chunk of this.#from(pair.client)) {
      if (pair.end === "reset") return this.#break(pair);
      if (pair.end === "silence") continue;
      const fault = this.#faultOf(pair, chunk);
      if (fault === undefined) {
        await write(pair.server, chunk);
      } else if (fault.kind === "after") {
        pair.losesAnswer = fault;
        await write(pair.server, chunk);
      } else {
        if (fault.kind === "bytes")
          pair.server.end(chunk.subarray(0, chunk.length - (pair.sent.length - fault.limit)));
        else pair.server.resetAndDestroy();
        pair.client.resetAndDestroy();
        fault.happened();
        return;
      }
    }
    if (pair.end === undefined) pair.server.end();
    else this.#break(pair);
  }

  async #toClient(pair: Pair): Promise<void> {
    for await (const chunk of this.#from(pair.server)) {
      if (pair.losesAnswer !== undefined) {
        this.#break(pair);
        pair.losesAnswer.happened();
        return;
      }
      await write(pair.client, chunk);
    }
    if (pair.end === undefined) pair.client.end();
  }

  /** What `socket` receives, while nothing stalls. */
  async *#from(socket: Socket): AsyncGenerator<Buffer> {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      while (this.#gate !== undefined) await this.#gate.promise;
      yield chunk as Buffer;
    }
  }

  /** The fault that this chunk sets off, which then is spent. */
  #faultOf(pair: Pair, chunk: Buffer): Fault | undefined {
    const fault = this.#fault;
    if (fault === undefined) return undefined;
    pair.sent = Buffer.concat([pair.sent, chunk]);
    if (!fault.trigger(pair.sent)) return undefined;
    this.#fault = undefined;
    return fault;
  }

  #lose(end: "silence" | "reset"): void {
    for (const pair of this.#pairs) {
      pair.end = end;
      pair.server.resetAndDestroy();
    }
  }

  #forget(pair: Pair): void {
    if (pair.client.destroyed && pair.server.destroyed) this.#pairs.delete(pair);
  }

  #break({ client, server }: Pair): void {
    for (const socket of [client, server]) if (!socket.destroyed) socket.resetAndDestroy();
  }
}

/** Done when the system has taken it, or will not. */
function write(socket: Socket, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
