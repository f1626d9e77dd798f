import assert from "node:assert/strict";
import type { Store } from "../../stores/store.ts";
import type { Cases } from "./fixture.ts";

/** Cases of the optional `channel`: a store without one passes them. */
export const channel: Cases = {
  "a message reaches every connection that listens, and no other": async ({ store, all }) => {
    if (store.channel === undefined) return;
    const listeners = await Promise.all(all.map(listening));
    try {
      for (const [index, from] of all.entries()) {
        const text = `from ${index}`;
        await from.channel?.publish(text);
        for (const { heard } of listeners) assert.equal(await heard(), text);
      }
      const [first, ...others] = listeners;
      await first?.stop();
      await store.channel.publish("later");
      for (const { heard } of others) assert.equal(await heard(), "later");
      assert.deepEqual(first?.left(), []);
    } finally {
      for (const { stop } of listeners) await stop();
    }
  },

  "a message of 7000 characters arrives whole, and messages in their order": async ({ store }) => {
    if (store.channel === undefined) return;
    const { heard, stop } = await listening(store);
    try {
      const texts = ["x".repeat(7000), "* ?_-", "last"];
      for (const text of texts) await store.channel.publish(text);
      for (const text of texts) assert.equal(await heard(), text);
    } finally {
      await stop();
    }
  },
};

/** What arrives at a store, one message after another. */
async function listening(store: Store) {
  const left: string[] = [];
  let wake: () => void = () => {};
  const stop = await store.channel?.subscribe({
    onMessage: (text) => {
      left.push(text);
      wake();
    },
    onGap: () => {},
    onLost: () => {},
  });
  return {
    left: () => left,
    stop: async () => stop?.(),
    async heard(): Promise<string | undefined> {
      while (left.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return left.shift();
    },
  };
}
