import type { ServerResponse } from "node:http";
import { statusOf } from "../../http/apology.ts";
import type { Settlement } from "../../request/exchange.ts";
import { warnOfLateSave } from "../../warnings.ts";

const METHODS = ["setHeader", "getHeader", "writeHead", "write", "end"] as const;
const HELD = ["writeHead", "write", "end"] as const;

/** The least that can be answered with: of a virtual request, of a test. */
export type LightResponse = Pick<ServerResponse, (typeof METHODS)[number] | "statusCode">;

type Settle = (canSetCookies: boolean) => Settlement | Promise<Settlement>;
type Method = (...values: unknown[]) => unknown;

export function isLight(response: unknown): response is LightResponse {
  const has = (name: string) => typeof (response as Record<string, unknown> | null)?.[name] === "function";
  return METHODS.every(has);
}

/**
 * Holds a response back as `settleBeforeHead` does, by the methods that it has: what is called waits for the commit,
 * and follows in its order. Whether it looks sent meanwhile is its own affair.
 */
export function settleBeforeAnswer(
  response: LightResponse,
  settle: Settle,
  fail: (error: unknown) => void,
): void {
  const originals = response as unknown as Record<(typeof HELD)[number], Method>;
  const { writeHead, write, end } = originals;
  const own = { writeHead, write, end };
  /** `failed`: somebody else answers, and calls pass. `silenced`: we have answered, and calls lead nowhere. */
  let phase: "open" | "settling" | "settled" | "failed" | "silenced" = "open";
  let isEnding = false;
  let waiting: (() => void)[] = [];

  const pass = (name: (typeof HELD)[number], values: unknown[]) => Reflect.apply(own[name], response, values);

  const proceed = ({ setCookie, noStore }: Settlement) => {
    phase = "settled";
    if (setCookie.length > 0) {
      const before = [response.getHeader("Set-Cookie") ?? []].flat() as string[];
      response.setHeader("Set-Cookie", [...before, ...setCookie]);
    }
    if (noStore) response.setHeader("Cache-Control", "no-store");
    const calls = waiting;
    waiting = [];
    for (const call of calls) call();
  };

  const abandon = (error: unknown) => {
    waiting = [];
    phase = "failed";
    response.statusCode = 500;
    if (isEnding) return fail(error);
    // The handler goes on writing, and an error page would be mixed with that.
    warnOfLateSave(error);
    response.statusCode = statusOf(error);
    pass("end", []);
    phase = "silenced";
  };

  const begin = () => {
    let settled: Settlement | Promise<Settlement>;
    try {
      settled = settle((response as Partial<ServerResponse>).headersSent !== true);
    } catch (error) {
      settled = Promise.reject(error);
    }
    if (!(settled instanceof Promise)) return proceed(settled);
    phase = "settling";
    settled.then(proceed, abandon).catch(fail);
  };

  const hold = (name: (typeof HELD)[number], values: unknown[], otherwise: unknown): unknown => {
    if (phase === "open") begin();
    if (phase === "silenced") return otherwise;
    if (phase !== "settling") return pass(name, values);
    waiting.push(() => void pass(name, values));
    return otherwise;
  };

  /** What was changed after the first call is saved before the last. */
  const endLate = async (values: unknown[]) => {
    try {
      await settle(false);
    } catch (error) {
      warnOfLateSave(error);
    }
    try {
      pass("end", values);
    } catch (error) {
      fail(error);
    }
  };

  Object.assign(response, {
    writeHead: (...values: unknown[]) => hold("writeHead", values, response),
    write: (...values: unknown[]) => hold("write", values, true),
    end: (...values: unknown[]) => {
      if (phase === "failed" || phase === "silenced") return hold("end", values, response);
      if (isEnding) return response;
      isEnding = true;
      if (phase === "open") return hold("end", values, response);
      if (phase === "settling") waiting.push(() => void endLate(values));
      else void endLate(values);
      return response;
    },
  });
}
