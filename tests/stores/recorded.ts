import type { PgPool } from "../../src/stores/postgres/index.ts";

/** A pool of pg that writes down what is executed. */
export function recorded(pool: PgPool): {
  pool: PgPool;
  texts: string[];
  queries: { text: string; values: unknown[] }[];
} {
  const texts: string[] = [];
  const queries: { text: string; values: unknown[] }[] = [];
  return {
    texts,
    queries,
    pool: {
      connect: async () => {
        const client = await pool.connect();
        return {
          query: (query) => {
            texts.push(query.text);
            queries.push({ text: query.text, values: query.values });
            return client.query(query);
          },
          release: (destroy) => client.release(destroy),
        };
      },
    },
  };
}
