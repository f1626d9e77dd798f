import { expect, test } from "vitest";
import { TestBrowser } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";
import { describeWith } from "../support/servers/reach.ts";
import { KINDS, type Place, place, SQLITE, signIn } from "./places.ts";

/** As text, to the millisecond. */
const text = (at: number): string => new Date(at).toISOString();

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `after a backup was restored: ${name}`, () => {
    /** Ada came back after the restore, and Bob signed in; Cyd, an old session of Ada's and a cart were not used since. */
    async function restored(
      parts: { audit?: boolean } = {},
    ): Promise<Place & { at: number; ada: string; bob: string; cyd: string }> {
      const there = await place(kind, parts);
      const { app } = there;
      const browser = new TestBrowser(app);
      const { session } = await browser.visit((own) => own.login("ada", { remember: true }));
      await signIn(app, "ada");
      const cyd = await signIn(app, "cyd", { remember: true });
      await new TestBrowser(app).visit((nobody) => nobody.set("cart", ["tea"]));
      app.clock.advance(HOUR);
      const at = app.clock.now();
      const bob = await signIn(app, "bob");
      app.clock.advance(10 * MINUTE);
      await browser.visit();
      return { ...there, at, ada: session.handle, bob, cyd };
    }

    test("ends what was not used since, and nothing else", async () => {
      const { app, run, store, at, ada, bob, cyd } = await restored({ audit: true });
      const { code, json } = await run("restored", "--before", text(at), "--yes", "--json");
      expect([code, json]).toEqual([0, { ended: 3 }]);
      expect(await app.psession.devices("ada")).toMatchObject([{ handle: ada }]);
      expect(await app.psession.devices("bob")).toMatchObject([{ handle: bob }]);
      expect(await app.psession.devices("cyd")).toEqual([]);
      expect((await store.findRemembered(cyd))?.login.revokedReason).toBe("restored");
      const entries = await store.audit?.read({ limit: 99 });
      expect(entries?.map(({ event, detail }) => [event, detail])).toContainEqual([
        "revokedEveryone",
        "restored",
      ]);
      const again = await run("restored", "--before", text(at), "--yes");
      expect(again).toMatchObject({ code: 0, stdout: "Ended 0 devices.\n" });
    });

    test("says how much it would end, and ends nothing without consent", async () => {
      const { app, run, at } = await restored();
      const unasked = await run("restored", "--before", text(at));
      expect(unasked).toMatchObject({ code: 2, stdout: "" });
      expect(unasked.stderr).toContain(
        `Sign out 3 devices last used before ${text(at).slice(0, 10)} ${text(at).slice(11, 19)}Z? There is no terminal`,
      );
      expect(await app.psession.devices("cyd")).toHaveLength(1);
    });

    test("a proof from before the restore signs nobody in, as marks since the backup are lost", async () => {
      const { app, run, at } = await restored();
      await run("restored", "--before", text(at), "--yes");
      const late = (provedAt: number) =>
        new TestBrowser(app).visit((session) => session.login("dan", { provedAt }));
      await expect(late(at)).rejects.toMatchObject({ code: "proof_outdated" });
      await late(at + 1);
      expect(await app.psession.devices("dan")).toHaveLength(1);
    });
  });
}

test("an invalid or future time is refused, and nothing is ended", async () => {
  const { app, run } = await place(SQLITE);
  await signIn(app, "ada");
  for (const time of [
    "yesterday",
    "1h",
    "1767225600000",
    "2026-02-30",
    "2026-13-01",
    "2026-07-01T03:00",
    "2026-07-01 25:00Z",
    "07/01/2026",
    "",
  ]) {
    const ran = await run("restored", "--before", time, "--yes");
    expect(ran, time).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("It must be a date"),
    });
  }
  expect(await run("restored", "--yes")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--before <time>"),
  });
  const ahead = await run("restored", "--before", text(app.clock.now() + 1000), "--yes");
  expect(ahead).toMatchObject({ code: 2, stderr: expect.stringContaining("lies in the future") });
  expect(await app.psession.devices("ada")).toHaveLength(1);
});

test("a date is midnight in UTC, and a time may have any zone", async () => {
  const { app, run } = await place(SQLITE);
  await signIn(app, "ada");
  const date = text(app.clock.now() + DAY).slice(0, 10);
  app.clock.advance(2 * DAY);
  const question = async (time: string) => (await run("restored", "--before", time)).stderr;
  expect(await question(date)).toContain(`1 device last used before ${date} 00:00:00Z?`);
  expect(await question(`${date} 02:00+02:00`)).toContain(`1 device last used before ${date} 00:00:00Z?`);
  expect(await question(`${date}T00:00:00.5Z`)).toContain(`1 device last used before ${date} 00:00:00Z?`);
});
