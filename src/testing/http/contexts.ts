import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { currentRequest } from "../../request/context.ts";
import { Gate, type HttpCases, type HttpFixture } from "./fixture.ts";
import type { Site } from "./integration.ts";

/** The handler of a request that parses a body, waits, and notes at each step which request it is in. */
const noting =
  (noted: Map<unknown, (object | undefined)[]>, gate?: Gate): Site =>
  async (request) => {
    await request.session();
    const where = [currentRequest()];
    const body = (await request.body()) as { readonly who: unknown };
    where.push(currentRequest());
    await gate?.pass();
    await sleep(1);
    where.push(currentRequest());
    await new Promise<void>((resolve) => setImmediate(() => resolve(void where.push(currentRequest()))));
    noted.set(body.who, where);
    return { body: "done" };
  };

/** The request of a visitor with this user agent, as the integration named it to the core. */
function tokenOf({ exchanges }: HttpFixture, userAgent: string): object {
  const found = exchanges.find(({ facts }) => facts.userAgent === userAgent);
  assert.ok(found !== undefined, `${userAgent} was not opened`);
  return found.token;
}

/** Code far from the request can ask which one it runs in. */
export const contexts: HttpCases = {
  "a handler is in its own request, also after a parsed body and a timer, and requests do not mix": async (
    fixture,
  ) => {
    const noted = new Map<unknown, (object | undefined)[]>();
    const gate = new Gate();
    fixture.route("/note", noting(noted, gate));
    const send = (who: string) => {
      const headers = { "user-agent": who, "content-type": "application/json" };
      return fixture.visitor().post("/note", { headers, body: JSON.stringify({ who }) });
    };
    const answers = Promise.all(["ada", "bob"].map(send));
    await Promise.race([gate.reached(2), answers]);
    gate.open();
    for (const { status } of await answers) assert.equal(status, 200);
    for (const who of ["ada", "bob"]) {
      const token = tokenOf(fixture, who);
      const own = noted.get(who)?.map((one) => one === token);
      assert.deepEqual(own, [true, true, true, true], who);
    }
    assert.notEqual(tokenOf(fixture, "ada"), tokenOf(fixture, "bob"));
  },

  "requests that follow on one connection are each in their own": async (fixture) => {
    const seen: (object | undefined)[] = [];
    fixture.route("/where", async (request) => {
      await request.session();
      seen.push(currentRequest());
      return { body: "done" };
    });
    await fixture.visitor().pipeline(["/where", "/where", "/where"]);
    assert.deepEqual(
      seen.map((one) => fixture.exchanges.findIndex(({ token }) => token === one)).sort(),
      [0, 1, 2],
    );
    assert.equal(currentRequest(), undefined, "and the test, which sent them, is in none");
  },
};
