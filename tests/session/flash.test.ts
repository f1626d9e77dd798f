import { describe, expect, test } from "vitest";
import { CLAIM_MS } from "../../src/data/flash.ts";
import { PsessionError } from "../../src/index.ts";
import { memoryStore } from "../../src/stores/memory/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { describeStores } from "../support/session-stores.ts";
import { intercepted } from "../support/stores.ts";

const setUp = (options = {}) => {
  const app = testApp(options);
  return { app, browser: new TestBrowser(app) };
};

describe("flash messages", () => {
  test("are there for the next request that reads them, and for no other", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    await browser.visit();
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("Saved.");
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBeUndefined();
  });

  test("are no part of the data, nor of what the row shows as data", async () => {
    const { browser } = setUp();
    await browser.visit((session) => {
      session.flash.set({ notice: "Saved.", error: "Not sent." });
      session.set("count", 1);
    });
    const { session } = await browser.visit();
    expect(session.data).toEqual({ count: 1 });
    expect(session.flash.keys()).toEqual(["notice", "error"]);
    expect(session.has("psession:flash:notice")).toBe(false);
    expect(() => session.set("psession:flash:x", 1)).toThrow(/psession's own/);
    session.data["psession:x"] = 1;
    await expect(session.save()).rejects.toThrow(/psession's own/);
  });

  test("one that is set and read in one request is not stored", async () => {
    const { browser, app } = setUp();
    const { result, setCookie } = await browser.visit((session) => {
      session.flash.set("notice", "Hello.");
      return session.flash.get("notice");
    });
    expect([result, setCookie, app.told()]).toEqual(["Hello.", [], []]);
  });

  test("now is for this response alone, and stored nowhere", async () => {
    const { browser } = setUp();
    const { result, setCookie } = await browser.visit((session) => {
      session.flash.now("error", "Wrong password.");
      return session.flash.all();
    });
    expect([result, setCookie]).toEqual([{ error: "Wrong password." }, []]);
  });

  test("all takes every message", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.flash.set({ one: 1, two: { three: [4] } }));
    expect((await browser.visit((session) => session.flash.all())).result).toEqual({
      one: 1,
      two: { three: [4] },
    });
    expect((await browser.visit((session) => session.flash.all())).result).toEqual({});
  });

  test("keep leaves what was taken for the next request", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.flash.set({ one: 1, two: 2 }));
    await browser.visit(async (session) => {
      await session.flash.all();
      session.flash.keep("two");
    });
    expect((await browser.visit((session) => session.flash.all())).result).toEqual({ two: 2 });
  });

  test("mark makes a message of data, and unmark data of a message", async () => {
    const { browser } = setUp();
    await browser.visit((session) => {
      session.set({ name: "Ada", count: 1 });
      session.flash.mark("name", "missing");
      session.flash.set("later", "stays");
      session.flash.unmark("later");
    });
    const { session } = await browser.visit();
    expect(session.data).toEqual({ count: 1, later: "stays" });
    expect(session.flash.keys()).toEqual(["name"]);
  });

  test("two requests that read at the same time: one shows it", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    const [first, second] = await Promise.all([browser.open(), browser.open()]);
    const shown = [await first.session.flash.get("notice"), await second.session.flash.get("notice")];
    await Promise.all([second.answer(), first.answer()]);
    expect(shown).toEqual(["Saved.", undefined]);
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBeUndefined();
  });

  test("survive a request that took them and never answered", async () => {
    const { browser, app } = setUp();
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    const crashed = await browser.open();
    expect(await crashed.session.flash.get("notice")).toBe("Saved.");
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBeUndefined();
    app.clock.advance(CLAIM_MS);
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("Saved.");
  });

  test("survive a redirect that was lost", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.login("ada"));
    await browser.visit((session) => session.flash.set("notice", "Saved."), { lost: true });
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("Saved.");
  });

  test("survive an answer whose save failed", async () => {
    const down = { apply: 0 };
    const store = intercepted(memoryStore(), async (name, call) => {
      if (name === "apply" && --down.apply === 0) throw new PsessionError("store_unavailable", "down");
      return call();
    });
    const { browser, app } = setUp({ store });
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    down.apply = 2;
    const failing = await browser.open();
    await failing.session.flash.get("notice");
    await expect(failing.answer()).rejects.toThrow("down");
    app.clock.advance(CLAIM_MS);
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("Saved.");
  });

  test("a message that was shown does not come again, whatever others save meanwhile", async () => {
    const { browser, app } = setUp();
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    const slow = await browser.open();
    expect(await slow.session.flash.get("notice")).toBe("Saved.");
    await browser.visit((session) => session.set("count", 1));
    await slow.answer();
    app.clock.advance(CLAIM_MS);
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBeUndefined();
  });

  test("one that became data is no message any more, whatever others save meanwhile", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    const slow = await browser.open();
    slow.session.flash.unmark("notice");
    await browser.visit((session) => session.set("count", 1));
    await slow.answer();
    const { session, result } = await browser.visit((session) => session.flash.get("notice"));
    expect([result, session.data]).toEqual([undefined, { notice: "Saved.", count: 1 }]);
  });

  test("one whose showing took too long belongs to the request that showed it instead", async () => {
    const { browser, app } = setUp();
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    const slow = await browser.open();
    await slow.session.flash.get("notice");
    app.clock.advance(CLAIM_MS);
    const other = await browser.open();
    expect(await other.session.flash.get("notice")).toBe("Saved.");
    await slow.answer();
    other.session.flash.keep();
    await other.answer();
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("Saved.");
  });

  test("a message set anew while another is shown is not taken along", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.flash.set("notice", "first"));
    const slow = await browser.open();
    expect(await slow.session.flash.get("notice")).toBe("first");
    await browser.visit((session) => session.flash.set("notice", "second"));
    await slow.answer();
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("second");
  });

  test("cross a sign-in that keeps the data, and no other", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.flash.set("notice", "Welcome."));
    await browser.visit((session) => session.login("ada"));
    await browser.visit((session) => session.login("bob"));
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBeUndefined();
    await browser.visit((session) => session.flash.set("notice", "Welcome."));
    await browser.visit((session) => session.login("bob"));
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("Welcome.");
  });

  test("a farewell is there after leaving", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.login("ada"));
    await browser.visit(async (session) => {
      await session.logout();
      session.flash.set("notice", "Goodbye.");
    });
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("Goodbye.");
  });

  test("cost nothing where there are none", async () => {
    const calls: string[] = [];
    const store = intercepted(memoryStore(), (name, call) => {
      calls.push(name);
      return call();
    });
    const { browser } = setUp({ store });
    await browser.visit((session) => session.set("count", 1));
    calls.length = 0;
    await browser.visit((session) => session.flash.all());
    expect(calls).toEqual(["findSession"]);
  });
});

describeStores("flash messages on", (makeStore) => {
  test("are shown once, also where the redirect to them, or the answer that would show them, is lost", async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    const show = () => browser.visit((session) => session.flash.get("notice"));
    await browser.visit((session) => session.flash.set("notice", "Saved."), { lost: true });
    expect([(await show()).result, (await show()).result]).toEqual(["Saved.", undefined]);

    await browser.visit((session) => session.flash.set("notice", "Sent."));
    const broken = await browser.open();
    expect(await broken.session.flash.get("notice")).toBe("Sent.");
    expect((await show()).result).toBeUndefined();
    app.clock.advance(CLAIM_MS);
    expect([(await show()).result, (await show()).result]).toEqual(["Sent.", undefined]);
  });

  test("fifty requests that read at once: one shows it", async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    const shown = await Promise.all(
      Array.from({ length: 50 }, () => browser.visit((session) => session.flash.get("notice"))),
    );
    expect(shown.filter(({ result }) => result !== undefined).map(({ result }) => result)).toEqual([
      "Saved.",
    ]);
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBeUndefined();
  });
});
