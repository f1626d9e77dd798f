import { createServer, type IncomingMessage, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { Visitor } from "./client.ts";
import type { HttpCase, HttpFixture } from "./fixture.ts";

interface Stored {
  /** What the answer varies by, as the request for it had it. */
  readonly variant: readonly (readonly [string, unknown])[];
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
}

interface CachedFixture extends HttpFixture {
  /** A visitor of the cache. */
  cached(): Visitor;
  /** Answers that it gave without asking. */
  readonly hits: readonly string[];
}

/** A case with visitors of a cache that all of them share. */
export const behindCache =
  (run: (fixture: CachedFixture) => Promise<void>): HttpCase =>
  async (fixture) => {
    const cache = await startSharedCache(fixture.url);
    const visitors: Visitor[] = [];
    const cached = () => {
      const visitor = new Visitor(cache.url);
      visitors.push(visitor);
      return visitor;
    };
    try {
      await run({ ...fixture, cached, hits: cache.hits });
    } finally {
      for (const visitor of visitors) visitor.leave();
      await cache.close();
    }
  };

interface SharedCache {
  readonly url: string;
  readonly hits: string[];
  close(): Promise<void>;
}

/**
 * A cache in front of a site, as a CDN that is set to keep all it may (RFC 9111): cookies do not hold it back, unless an
 * answer varies by them.
 */
async function startSharedCache(target: string): Promise<SharedCache> {
  const kept = new Map<string, Stored[]>();
  const hits: string[] = [];
  const server = createServer(async (request, response) => {
    const key = `${request.method} ${request.url}`;
    const known = kept.get(key)?.find((stored) => isFor(stored, request));
    if (known !== undefined) hits.push(key);
    const answer = known ?? (await ask(target, request));
    const { status, headers, body } = answer;
    const mayKeep =
      request.method === "GET" &&
      status === 200 &&
      headers["vary"] !== "*" &&
      !/no-store|private/i.test(controlOf(headers));
    if (mayKeep && known === undefined) kept.set(key, [...(kept.get(key) ?? []), answer]);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hits,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

const controlOf = (headers: Stored["headers"]): string => String(headers["cache-control"] ?? "");

const isFor = ({ variant }: Stored, { headers }: IncomingMessage): boolean =>
  variant.every(([name, value]) => headers[name] === value);

const variantOf = (vary: unknown, headers: IncomingMessage["headers"]): Stored["variant"] =>
  String(vary ?? "")
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((name) => name !== "")
    .map((name) => [name, headers[name]]);

const OF_THE_CONNECTION = new Set(["connection", "keep-alive", "transfer-encoding", "content-length"]);

function ask(target: string, { url, method, headers }: IncomingMessage): Promise<Stored> {
  return new Promise((resolve, reject) => {
    const call = send(target + url, { method, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const fields = Object.entries(response.headers).filter(([name]) => !OF_THE_CONNECTION.has(name));
      const status = response.statusCode ?? 500;
      resolve({
        status,
        variant: variantOf(response.headers.vary, headers),
        headers: Object.fromEntries(fields) as Stored["headers"],
        body: Buffer.concat(chunks),
      });
    });
    call.on("error", reject).end();
  });
}
