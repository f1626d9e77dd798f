import assert from "node:assert/strict";
import { Gate, type HttpCases } from "./fixture.ts";

/** What goes wrong. */
export const faults: HttpCases = {
  "options that come as a function are asked for by the first visitor, not where the site is set up": {
    failsToStart: 0,
    run: async ({ asked, shopper }) => {
      assert.equal(asked(), 0, "the site is set up, and the options were not asked for");
      const ada = await shopper();
      assert.deepEqual((await ada.read()).data, { items: ["tea"] });
      await ada.get("/members");
      assert.equal(asked(), 1);
    },
  },

  "options that cannot be had yet fail that request, and no other": {
    failsToStart: 1,
    run: async ({ visitor, asked }) => {
      const ada = visitor();
      const { status, setCookie } = await ada.get("/add?item=tea");
      assert.deepEqual([status, setCookie], [500, []]);
      assert.equal((await ada.get("/add?item=milk")).status, 200);
      assert.deepEqual((await ada.read()).data, { items: ["milk"] });
      assert.equal(asked(), 2);
    },
  },

  "a handler that fails answers 500, and its visitor keeps the session": async ({ route, shopper }) => {
    route("/broken", async (request) => {
      await request.session();
      throw new Error("broken");
    });
    const ada = await shopper();
    const answer = await ada.get("/broken");
    assert.deepEqual([answer.status, answer.setCookie], [500, []]);
    assert.deepEqual((await ada.read()).data, { items: ["tea"] });
  },

  "what a handler changed before it failed is saved with the error's page": async ({ visitor, route }) => {
    route("/broken", async (request) => {
      (await request.session()).push("items", "milk");
      throw new Error("broken");
    });
    const ada = visitor();
    assert.equal((await ada.get("/broken")).status, 500);
    assert.equal(ada.jar.size, 1, "a new session's cookie goes with the error's page");
    assert.equal((await ada.get("/broken")).status, 500);
    assert.deepEqual((await ada.read()).data, { items: ["milk", "milk"] });
  },

  "a store that cannot be read is 503 and leaves the cookies alone": async ({ fail, recover, member }) => {
    const ada = await member("remember");
    const before = ada.cookie;
    fail("findSession");
    const answer = await ada.get("/read");
    assert.deepEqual([answer.status, answer.setCookie], [503, []]);
    ada.jar.delete("psession");
    fail("findRemembered");
    const { status, setCookie } = await ada.get("/read");
    assert.deepEqual([status, setCookie], [503, []]);
    recover();
    assert.equal((await ada.read({ cookie: before })).userId, "ada");
  },

  "an answer whose save failed does not leave: 503, none of its words, and no session cookie": async ({
    fail,
    recover,
    route,
    shopper,
  }) => {
    route("/order", async (request) => {
      (await request.session()).push("items", "gold");
      return { status: 201, headers: { location: "/orders/1" }, body: "ordered" };
    });
    const ada = await shopper();
    fail("apply");
    const sorry = await ada.post("/order");
    assert.deepEqual([sorry.status, sorry.setCookie], [503, []]);
    assert.ok(!sorry.text.includes("ordered"));
    const gone = await ada.get("/add-and-go");
    assert.deepEqual([gone.status, gone.headers.location, gone.setCookie], [503, undefined, []]);
    const signedIn = await ada.post("/login?remember");
    assert.deepEqual([signedIn.status, signedIn.headers.location, signedIn.setCookie], [503, undefined, []]);
    recover();
    const { userId, data } = (await ada.json("/read")) as { userId: unknown; data: unknown };
    assert.deepEqual([userId, data], [null, { items: ["tea"] }]);
  },

  "a PsessionError has its status and says when to try again, and no cache keeps it": async ({
    route,
    psession,
    fail,
    recover,
    shopper,
  }) => {
    const ada = await shopper();
    const answered = async (path: string) => {
      const { status, headers, setCookie } = await ada.get(path);
      assert.deepEqual(setCookie, [], path);
      return [status, headers["retry-after"], headers["cache-control"]];
    };
    // Whatever the page, or what stood before it, had said of itself.
    const cached = { "cache-control": "public, max-age=600", "retry-after": "3600" };
    route("/locked", async () => {
      await psession.lock("stock", { wait: 0 });
      return { body: "never", headers: cached };
    });
    const lock = await psession.lock("stock");
    assert.deepEqual(
      await answered("/locked"),
      [503, "1", "no-store"],
      "nothing was done, and it is soon free",
    );
    await lock.release();

    const handler = new Gate();
    route("/now", async (request) => {
      await request.session();
      await handler.pass();
      return { body: "done", headers: cached };
    });
    const first = ada.get("/now");
    await handler.reached();
    assert.deepEqual(await answered("/now"), [503, "1", "no-store"], "a guard waited in vain");
    handler.open();
    assert.equal((await first).status, 200);

    fail("findSession");
    assert.deepEqual(await answered("/read"), [503, undefined, "no-store"], "how long it takes is unknown");
    recover();
    fail("apply");
    route("/order", async (request) => {
      (await request.session()).push("items", "gold");
      return { body: "ordered", headers: { "cache-control": "public, max-age=600" } };
    });
    assert.deepEqual(await answered("/order"), [503, undefined, "no-store"], "what is not done may be done");
  },

  "a client that leaves before its answer loses nothing, and breaks nothing": async ({
    route,
    hold,
    shopper,
  }) => {
    const handler = new Gate();
    route("/slow", async (request) => {
      const session = await request.session();
      await handler.pass();
      session.push("items", "milk");
      return { body: "too late" };
    });
    const ada = await shopper();
    const saving = hold("apply");
    const call = ada.startAndLeave("/slow");
    await handler.reached();
    call.hangUp();
    handler.open();
    await saving.reached();
    saving.open();
    assert.deepEqual((await ada.read()).data, { items: ["tea", "milk"] });
  },

  "cookies that were made up get no read and no error": async ({ visitor, calls }) => {
    const mallory = visitor();
    for (const cookie of [
      "psession=abc",
      "psession=",
      `psession=${"x".repeat(5000)}`,
      "psession-remember=1.2.3",
    ]) {
      const answer = await mallory.get("/read", { cookie });
      assert.deepEqual([answer.status, JSON.parse(answer.text).userId], [200, null]);
    }
    assert.deepEqual(calls, []);
  },
};
