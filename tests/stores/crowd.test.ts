import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { CROWD } from "../support/crowd.ts";
import { freshSchema } from "../support/servers/fresh.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";

const WRITERS = 400;

describeWith(POSTGRES, "a crowd of writers of one session, on PostgreSQL", () => {
  test("costs three calls of the store each at most, and none is lost", CROWD, async () => {
    const { url } = await freshSchema();
    const pool = new pg.Pool({ connectionString: url });
    onTestFinished(() => pool.end());
    const app = testApp({ store: postgresStore({ pool }) });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set("count", 0));
    // All have read before the first one writes, as with handlers that take a second.
    const visits = await Promise.all(Array.from({ length: WRITERS }, () => browser.open()));
    const sent = vi.spyOn(pg.Client.prototype, "query");
    onTestFinished(() => sent.mockRestore());
    await Promise.all(
      visits.map(({ session, answer }, index) => {
        session.set(`key${index}`, index);
        return answer();
      }),
    );
    expect(sent.mock.calls.length).toBeGreaterThan(WRITERS);
    // The attempt of all at once, which asks whether the row is still there; then each in turn reads and writes.
    expect(sent.mock.calls.length).toBeLessThanOrEqual(4 * WRITERS);
    expect(Object.keys((await browser.visit()).session.data)).toHaveLength(WRITERS + 1);
  });
});
