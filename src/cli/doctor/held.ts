import { request as overHttp } from "node:http";
import { request as overHttps } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import type { Settings } from "../../options/settings.ts";
import { type Finding, warning } from "./finding.ts";

/** A meaningless body, sent in two parts. */
const BODY = Buffer.alloc(1024);
const PATIENCE = 10_000;

/**
 * Whether a proxy keeps requests until their bodies are complete, without the application knowing since when. The head
 * and most of a body go first. If no answer comes, the rest follows so late that only an application that dates the
 * request by its end clears the useless cookies that came with it.
 */
export async function heldFindings(
  url: string,
  { times, cookies }: Settings,
  cookie: string,
  wait: (time: number) => Promise<unknown> = pause,
): Promise<Finding[]> {
  const send = url.startsWith("https:") ? overHttps : overHttp;
  const sent = send(url, {
    headers: {
      accept: "text/html",
      "user-agent": "psession doctor",
      "content-type": "application/octet-stream",
      "content-length": BODY.length,
      cookie,
    },
    agent: false,
    timeout: times.skew + PATIENCE,
  });
  const answered = new Promise<readonly string[] | undefined>((resolve) => {
    sent.once("response", (response) => {
      response.resume();
      resolve(response.headers["set-cookie"] ?? []);
    });
    // The page has answered before, so a refusal of this request says nothing about bodies.
    sent.once("error", () => resolve(undefined));
    sent.once("timeout", () => sent.destroy(new Error("no answer")));
  });
  sent.write(BODY.subarray(1));
  const isAtOnce = await Promise.race([answered.then(() => true), wait(times.skew + 1000).then(() => false)]);
  sent.end(BODY.subarray(0, 1));
  const lines = await answered;
  sent.destroy();
  const isQuick = lines?.some((line) => line.startsWith(`${cookies.session.name}=`)) === true;
  if (isAtOnce || !isQuick) return [];
  return [
    warning(
      "requests_held",
      `Something before the application at ${url} keeps each request until its body is complete, as nginx does by default, and does not pass on when it arrived: a browser that restarts while it uploads looks like a thief.`,
      'Let the proxy say when a request began (nginx: set $start "t=$msec"; proxy_set_header X-Request-Start $start;) and name that header in the option proxy.requestStart; or let it pass bodies on as they come (proxy_request_buffering off).',
    ),
  ];
}
