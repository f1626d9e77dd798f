import { hash } from "node:crypto";
import { type Agent, request } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

export interface Heard {
  readonly status: number | undefined;
  readonly message: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: object;
  readonly hints: readonly unknown[];
  /** As it was before it was packed; or why there is none. */
  readonly body: string;
}

/** Of each answer another one, or the session's own. */
const VARYING = new Set(["date", "set-cookie", "cache-control", "keep-alive"]);
/** No answer takes that long: one that does never comes. */
const PATIENCE = 10_000;

/** An answer as a client sees it, down to its bytes. */
export function ask(
  base: string,
  path: string,
  { method = "GET", headers = {}, agent }: { method?: string; headers?: object; agent: Agent },
): Promise<Heard & { readonly setCookie: readonly string[] }> {
  return new Promise((resolve, reject) => {
    const hints: unknown[] = [];
    const call = request(base + path, {
      method,
      agent,
      timeout: PATIENCE,
      headers: { "accept-encoding": "gzip", ...headers },
    });
    call.on("information", ({ statusCode, headers: { link } }) => hints.push({ statusCode, link }));
    call.on("timeout", () => call.destroy(new Error("nothing came")));
    call.on("error", reject).on("response", (response) => {
      const chunks: Buffer[] = [];
      const done = (why?: string) => {
        const fields = Object.entries(response.headers)
          .map(([name, value]) => [name, name === "vary" ? besidesCookie(value) : value] as const)
          .filter(([name, value]) => value !== undefined && !VARYING.has(name));
        resolve({
          status: response.statusCode,
          message: response.statusMessage,
          headers: Object.fromEntries(fields),
          setCookie: response.headers["set-cookie"] ?? [],
          trailers: response.trailers,
          hints,
          body: why ?? unpacked(Buffer.concat(chunks), String(response.headers["content-encoding"])),
        });
      };
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => done()).on("error", () => done("cut off"));
    });
    call.end();
  });
}

/** What an answer varies by besides the session's cookie. */
const besidesCookie = (vary: unknown): string | undefined =>
  String(vary)
    .split(", ")
    .filter((name) => name !== "Cookie")
    .join(", ") || undefined;

function unpacked(body: Buffer, encoding: string): string {
  if (body.length === 0) return "";
  const plain =
    encoding === "gzip" ? gunzipSync(body) : encoding === "br" ? brotliDecompressSync(body) : body;
  return plain.length < 200 ? plain.toString("latin1") : `${plain.length} bytes, ${hash("sha256", plain)}`;
}
