import { expect, test } from "vitest";
import { TestBrowser, testApp } from "../support/app.ts";
import { CROWD } from "../support/crowd.ts";
import { describeStores } from "../support/session-stores.ts";

describeStores("parallel requests of one session on", (makeStore) => {
  const setUp = async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set({ count: 0, cart: ["tea"] }));
    return { app, browser };
  };

  test("two hundred writers of different keys lose none", CROWD, async () => {
    const { app, browser } = await setUp();
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        browser.visit((session) => session.set(`key${index}`, index)),
      ),
    );
    const { session } = await browser.visit();
    expect(Object.keys(session.data)).toHaveLength(202);
    expect(app.told()).toContain("mergeRetried");
    expect(app.told()).not.toContain("mergeConflict");
  });

  test("two hundred increments through update end at exactly two hundred", CROWD, async () => {
    const { browser } = await setUp();
    const visits = await Promise.all(
      Array.from({ length: 200 }, () =>
        browser.visit((session) =>
          session.update((data) => {
            data.count = (data.count ?? 0) + 1;
            return data.count;
          }),
        ),
      ),
    );
    expect((await browser.visit()).session.data.count).toBe(200);
    const results = visits.map(({ result }) => result as number).sort((a, b) => a - b);
    expect(results).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  });

  test("an update keeps what the handler changed before it", async () => {
    const { browser } = await setUp();
    const slow = await browser.open();
    slow.session.set("name", "slow");
    await browser.visit((session) => session.set("count", 5));
    await slow.session.update((data) => {
      data.count = (data.count ?? 0) + 1;
    });
    slow.session.push("cart", "milk");
    await slow.answer();
    expect((await browser.visit()).session.data).toEqual({ count: 6, cart: ["tea", "milk"], name: "slow" });
  });

  test("the same key on both sides: the later save wins, and an event says so", async () => {
    const { app, browser } = await setUp();
    const slow = await browser.open();
    slow.session.set("count", 1);
    await browser.visit((session) => session.set("count", 2));
    await slow.answer();
    expect((await browser.visit()).session.data.count).toBe(1);
    expect(app.events.find(({ type }) => type === "mergeConflict")).toMatchObject({ keys: ["count"] });
  });

  test("save stores at once, and what follows is saved with the answer", async () => {
    const { browser } = await setUp();
    const visit = await browser.open();
    visit.session.set("count", 1);
    await visit.session.save();
    expect((await browser.visit()).session.data.count).toBe(1);
    visit.session.set("name", "later");
    await visit.answer();
    expect((await browser.visit()).session.data).toEqual({ count: 1, cart: ["tea"], name: "later" });
  });

  test("a sign-in that is saved early still sends its cookies", async () => {
    const { browser } = await setUp();
    await browser.visit(async (session) => {
      await session.login("ada", { remember: true });
      await session.save();
      session.set("name", "after");
    });
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", data: { name: "after" } });
  });
});
