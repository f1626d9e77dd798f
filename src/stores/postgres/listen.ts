import type { ChannelListener, StoreChannel } from "../store.ts";
import type { PgClient, PgNotification, PgPool, PostgresJs } from "./clients.ts";

type Listen = (channel: string, listener: ChannelListener) => ReturnType<StoreChannel["subscribe"]>;

/** On a connection of its own: one of the pool's would be missing there. Undefined where the pool does not say how. */
export function poolListens({ Client, options }: PgPool): Listen | undefined {
  if (Client === undefined || options === undefined) return undefined;
  return async (channel, listener) => {
    const client = new Client(options as never);
    const close = async () => {
      await client.end();
    };
    try {
      // Before it connects: an error without a listener would end the process.
      const stop = hear(client, channel, listener);
      await client.connect();
      client.unref?.();
      await client.query({ text: `LISTEN ${channel}`, values: [] });
      return () => {
        stop();
        return close();
      };
    } catch (error) {
      await close().catch(() => {});
      throw error;
    }
  };
}

/** On the one connection that there is; `run` waits for its turn. */
export function clientListens(client: PgClient, run: (text: string) => Promise<unknown>): Listen | undefined {
  if (client.on === undefined) return undefined;
  return async (channel, listener) => {
    const stop = hear(client, channel, listener);
    try {
      await run(`LISTEN ${channel}`);
    } catch (error) {
      stop();
      throw error;
    }
    return async () => {
      stop();
      await run(`UNLISTEN ${channel}`);
    };
  };
}

/** postgres.js has a connection for that, which it connects again where it was lost. */
export function postgresJsListens(sql: PostgresJs): Listen | undefined {
  if (sql.listen === undefined) return undefined;
  return async (channel, { onMessage, onGap }) => {
    let isFirst = true;
    const { unlisten } = (await sql.listen?.(channel, onMessage, () => {
      if (!isFirst) onGap();
      isFirst = false;
    })) ?? { unlisten: async () => {} };
    return async () => {
      await unlisten();
    };
  };
}

function hear(client: PgClient, channel: string, { onMessage, onLost }: ChannelListener): () => void {
  const heard = (message: PgNotification) => {
    if (message.channel === channel) onMessage(message.payload ?? "");
  };
  let isOver = false;
  const lost = () => {
    if (isOver) return;
    isOver = true;
    onLost();
  };
  client.on?.("notification", heard);
  client.on?.("error", lost);
  client.on?.("end", lost);
  return () => {
    // Errors are heard on: one that nobody hears ends the process.
    isOver = true;
    client.off?.("notification", heard);
    client.off?.("end", lost);
  };
}
