import assert from "node:assert/strict";
import { Gate, type HttpCases, type HttpFixture } from "./fixture.ts";

const MINUTE = 60_000;

/** When the request to this path arrived, by what the integration found out. */
const arrivedAt = ({ exchanges }: HttpFixture): number | undefined => exchanges.at(-1)?.facts.arrivedAt;

/** When requests came, whatever they then had to wait for. */
export const arrivals: HttpCases = {
  "a request arrived when it came, not when its handler asked for the session": async (fixture) => {
    const handler = new Gate();
    fixture.route("/late", async (request) => {
      await handler.pass();
      await request.session();
      return { body: "done" };
    });
    const came = fixture.now();
    const answer = fixture.visitor().get("/late");
    await handler.reached();
    fixture.wait(2 * MINUTE);
    handler.open();
    assert.equal((await answer).status, 200);
    assert.equal(arrivedAt(fixture), came);
  },

  "a request that waited before the sessions arrived when its head did, where the server says when that was":
    {
      isSlow: true,
      run: async (fixture) => {
        const before = fixture.before("/read");
        const came = fixture.now();
        const answer = fixture.visitor().get("/read");
        await Promise.race([before.reached(), answer.then(() => assert.fail("`before` was not awaited"))]);
        fixture.wait(2 * MINUTE);
        before.open();
        assert.equal((await answer).status, 200);
        assert.equal(arrivedAt(fixture), fixture.seesHeads ? came : fixture.now());
      },
    },

  "a request whose body is long in coming arrived when its head did, where the server says when that was": {
    isSlow: true,
    run: async (fixture) => {
      fixture.route("/upload", async (request) => {
        const body = await request.body();
        await request.session();
        return { body: JSON.stringify(body) };
      });
      const before = fixture.before("/upload");
      before.open();
      const came = fixture.now();
      const upload = fixture.visitor().upload("/upload");
      await before.reached();
      fixture.wait(2 * MINUTE);
      upload.finish({ item: "tea" });
      assert.deepEqual(JSON.parse((await upload.answer).text), { item: "tea" });
      if (fixture.seesHeads) assert.equal(arrivedAt(fixture), came);
    },
  },

  "the header that the option proxy.requestStart names dates a request back, in each unit, and never into the future":
    {
      requestStart: "X-Request-Start",
      run: async (fixture) => {
        const now = fixture.now();
        const sent = now - 90_000;
        const seen = async (value: string) => {
          await fixture.visitor().get("/read", { headers: { "x-request-start": value } });
          return arrivedAt(fixture);
        };
        for (const value of [
          `t=${(sent / 1000).toFixed(3)}`,
          (sent / 1000).toFixed(3),
          `t=${sent}`,
          String(sent),
          `t=${sent}000`,
        ]) {
          assert.equal(await seen(value), sent, value);
        }
        for (const value of ["yesterday", "t=", "t=0", "-1", `t=${sent}, t=${now}`, String(now + 60_000)]) {
          assert.equal(await seen(value), now, value);
        }
      },
    },

  "a visitor dates nothing back without that option, not even behind a proxy that is trusted": {
    trustProxy: true,
    run: async (fixture) => {
      const headers = { "x-request-start": `t=${fixture.now() - 90_000}`, "x-forwarded-proto": "https" };
      await fixture.visitor().get("/read", { headers });
      assert.equal(arrivedAt(fixture), fixture.now());
    },
  },
};
