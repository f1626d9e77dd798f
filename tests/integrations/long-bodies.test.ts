/** Bodies of requests that are longer than what reads them allows. */
import { expect, test, vi } from "vitest";
import { createPsession, memoryStore } from "../../src/index.ts";
import { devices, devicesPage, withSession } from "../../src/integrations/fetch/index.ts";
import { KEY } from "../support/app.ts";

/** As SvelteKit makes a request: to cancel its body is to destroy the connection. */
function longRequest(method: string, type: string) {
  const cancel = vi.fn();
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("x".repeat(5000))),
    cancel,
  });
  const headers = { "content-type": type, "sec-fetch-site": "same-origin" };
  const init = { method, headers, body, duplex: "half" } as RequestInit;
  return { cancel, request: new Request("https://shop.example/devices/end", init) };
}

test("are refused with an answer, which would have no connection if the body was cancelled", async () => {
  const psession = createPsession({ store: memoryStore(), keys: [KEY], prune: false });
  const page = devicesPage({ path: "/devices/end" });
  const endpoints = devices({ path: "/devices" });
  for (const [method, type, answers] of [
    ["POST", "application/x-www-form-urlencoded", page],
    ["PATCH", "application/json", endpoints],
  ] as const) {
    const { cancel, request } = longRequest(method, type);
    const handle = withSession(psession, async (asked: Request, getSession) => {
      await (await getSession()).login(7, { method: "password" });
      return (await answers(asked, getSession)) ?? new Response(null, { status: 404 });
    });
    expect((await handle(request)).status).toBe(413);
    expect(cancel).not.toHaveBeenCalled();
  }
  await psession.close();
});
