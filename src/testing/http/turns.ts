import assert from "node:assert/strict";
import { Gate, type HttpCases, type HttpFixture } from "./fixture.ts";
import type { Site } from "./integration.ts";

/** Reads first and writes last, as code does that was written for one request at a time. */
const count: Site = async (request) => {
  const session = await request.session();
  const before = session.data.count ?? 0;
  // Room for others to come in between.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  session.set("count", before + 1);
  return { body: String(before + 1) };
};

/** Requests of one session that have all read it before the first handler runs. */
async function atOnce({ visitor, hold }: HttpFixture, cookie: string, path: string, times: number) {
  const reading = hold("findSession");
  const answers = Promise.all(Array.from({ length: times }, () => visitor().get(path, { cookie })));
  await reading.reached(times);
  reading.open();
  return answers;
}

async function countOn(fixture: HttpFixture, path: string, times: number) {
  const ada = fixture.visitor();
  fixture.route(path, count);
  await ada.get("/add");
  const answers = await atOnce(fixture, ada.cookie, path, times);
  const { data } = await ada.read();
  return { counts: answers.map(({ text }) => text).sort(), inTheEnd: data.count };
}

/** One request of a session at a time. */
export const turns: HttpCases = {
  "nine requests at once to an exclusive route that reads and then writes are counted one by one": async (
    fixture,
  ) => {
    const counted = await countOn(fixture, "/turns", 9);
    assert.deepEqual(counted, { counts: [..."123456789"], inTheEnd: 9 });
    const { inTheEnd } = await countOn(fixture, "/no-turns", 9);
    assert.ok(inTheEnd < 9, "the same route without the guard loses some");
  },

  "other sessions do not wait for an exclusive route, and neither does a visitor without one": async ({
    visitor,
    route,
  }) => {
    const handler = new Gate();
    route("/now", async (request) => {
      const session = await request.session();
      if (session.data.items?.includes("slow") === true) await handler.pass();
      return { body: "done" };
    });
    const [ada, bob] = [visitor(), visitor()];
    await ada.get("/add?item=slow");
    await bob.get("/add?item=tea");
    const slow = ada.get("/now");
    await handler.reached();
    const others = [await bob.get("/now"), await visitor().get("/now")];
    handler.open();
    for (const { status, setCookie } of [...others, await slow]) {
      assert.deepEqual([status, setCookie], [200, []]);
    }
  },

  "a request that waits too long gets 503 and does nothing; others go on": async ({ route, shopper }) => {
    const handler = new Gate();
    let served = 0;
    route("/now", async (request) => {
      (await request.session()).push("items", "milk");
      if (++served === 1) await handler.pass();
      return { body: "done" };
    });
    const ada = await shopper();
    const first = ada.get("/now");
    await handler.reached();
    const late = await ada.get("/now");
    handler.open();
    assert.deepEqual([(await first).status, late.status, late.setCookie], [200, 503, []]);
    assert.equal((await ada.get("/now")).status, 200, "the turn was given back");
    assert.deepEqual((await ada.read()).data, { items: ["tea", "milk", "milk"] });
  },

  "a turn is given back where a handler fails": async ({ route, shopper }) => {
    route("/now", async () => {
      throw new Error("broken");
    });
    const ada = await shopper();
    for (const which of ["first", "second"]) assert.equal((await ada.get("/now")).status, 500, which);
  },

  "a user who is signed out while waiting is refused, though requireLogin let them in": async (fixture) => {
    let served = 0;
    fixture.route("/members-turns", async (request) => {
      served++;
      await (await request.session()).logout();
      return { status: 204 };
    });
    const ada = fixture.visitor();
    assert.equal((await ada.get("/members-turns")).status, 401);
    await ada.post("/login");
    const answers = await atOnce(fixture, ada.cookie, "/members-turns", 3);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401, 401]);
    assert.equal(served, 1);
  },
};
