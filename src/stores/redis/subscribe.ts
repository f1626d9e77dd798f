import type { ChannelListener } from "../store.ts";

/** Subscribes to a channel on a duplicate of the application's client, as that can send nothing else from then on. */
export type Subscribe = (channel: string, listener: ChannelListener) => Promise<() => Promise<void>>;

interface Duplicable {
  duplicate?(): unknown;
}

/** A duplicate of a client or cluster of ioredis or iovalkey. */
interface IoSubscriber {
  on(event: "message", listener: (channel: string, text: string) => void): unknown;
  on(event: "error" | "close", listener: () => void): unknown;
  subscribe(channel: string): Promise<unknown>;
  disconnect(): void;
}

/** A duplicate of a client or cluster of node-redis. */
interface NodeRedisSubscriber {
  on(event: "error" | "end", listener: () => void): unknown;
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
  destroy(): void;
}

export const ioSubscribe = (client: Duplicable): Subscribe | undefined =>
  client.duplicate === undefined
    ? undefined
    : (channel, listener) =>
        subscribed(listener, client.duplicate?.() as IoSubscriber, {
          losses: ["close"],
          subscribe(own, onMessage) {
            own.on("message", (from, text) => {
              if (from === channel) onMessage(text);
            });
            return own.subscribe(channel);
          },
          close: (own) => own.disconnect(),
        });

/** A pool of node-redis has a method of this name for something else. */
export const nodeRedisSubscribe = (client: Duplicable): Subscribe | undefined =>
  client.duplicate === undefined || "totalClients" in client
    ? undefined
    : (channel, listener) =>
        subscribed(listener, client.duplicate?.() as NodeRedisSubscriber, {
          losses: ["error", "end"],
          async subscribe(own, onMessage) {
            await own.connect();
            await own.subscribe(channel, onMessage);
          },
          close: (own) => own.destroy(),
        });

interface Ways<Subscriber> {
  /** Events after which no messages may come. */
  readonly losses: readonly string[];
  subscribe(own: Subscriber, onMessage: (text: string) => void): Promise<unknown>;
  close(own: Subscriber): void;
}

/** A connection that was lost is given up, and not connected again: whoever subscribed does so anew. */
async function subscribed<
  Subscriber extends { on(event: "error" | "end" | "close", listener: () => void): unknown },
>(
  { onMessage, onLost }: ChannelListener,
  own: Subscriber,
  { losses, subscribe, close }: Ways<Subscriber>,
): Promise<() => Promise<void>> {
  let isOver = false;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const end = () => {
    if (isOver) return false;
    isOver = true;
    try {
      close(own);
    } catch {
      // It was closed already.
    }
    return true;
  };
  for (const event of ["error", "end", "close"] as const) {
    own.on(event, () => {
      if (!losses.includes(event) || !end()) return;
      fail(new Error("The connection was lost."));
      onLost();
    });
  }
  try {
    // What is on its way while the connection closes is not for anybody.
    const hear = (text: string) => {
      if (!isOver) onMessage(text);
    };
    await Promise.race([subscribe(own, hear), failed]);
  } catch (error) {
    end();
    throw error;
  }
  return async () => void end();
}
