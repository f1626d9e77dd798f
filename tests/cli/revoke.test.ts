import { expect, test } from "vitest";
import { describeWith } from "../support/servers/reach.ts";
import { KINDS, place, signIn } from "./places.ts";

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `ending devices: ${name}`, () => {
    test("one by its handle", async () => {
      const { app, run } = await place(kind);
      const gone = await signIn(app, "ada", { remember: true });
      const kept = await signIn(app, "ada");
      // After two dashes, as some handles begin with one.
      const ran = await run("revoke", "--yes", "--", gone);
      expect(ran).toMatchObject({ code: 0, stdout: "Ended 1 device.\n" });
      expect(await app.psession.devices("ada")).toMatchObject([{ handle: kept }]);
      const again = await run("revoke", "--yes", "--", gone);
      expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("no such device") });
    });

    test("all of a user, with a reason", async () => {
      const { app, run, store } = await place(kind, { audit: true });
      const remembered = await signIn(app, "ada", { remember: true });
      await signIn(app, "ada");
      await signIn(app, "bob");
      const { json } = await run("revoke", "--user", "ada", "--reason", "left", "--yes", "--json");
      expect(json).toEqual({ ended: 2 });
      expect((await store.findRemembered(remembered))?.login.revokedReason).toBe("left");
      const entries = await store.audit?.read({ limit: 9 });
      expect(entries?.map(({ event, detail }) => [event, detail])).toContainEqual(["revoked", "left"]);
      expect(await app.psession.devices("bob")).toHaveLength(1);
    });

    test("everyone", async () => {
      const { app, run } = await place(kind);
      await signIn(app, "ada", { remember: true });
      await signIn(app, "bob");
      expect(await run("revoke", "--everyone", "--yes")).toMatchObject({
        code: 0,
        stdout: "Ended 2 devices.\n",
      });
      expect(await app.psession.devices("ada")).toEqual([]);
      expect(await app.psession.devices("bob")).toEqual([]);
    });

    test("nothing, without consent or where it is not clear what to end", async () => {
      const { app, run } = await place(kind);
      await signIn(app, "ada");
      const unasked = await run("revoke", "--user", "ada");
      expect(unasked).toMatchObject({ code: 2, stdout: "" });
      expect(unasked.stderr).toContain(
        'Sign user "ada" out of 1 device? There is no terminal to ask at: say --yes',
      );
      expect(await run("revoke", "--user", "ada", "--everyone", "--yes")).toMatchObject({ code: 2 });
      expect(await run("revoke", "--yes")).toMatchObject({ code: 2 });
      expect(await run("revoke", "-Xhandle", "--yes")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("psession revoke -- -x"),
      });
      expect(await app.psession.devices("ada")).toHaveLength(1);
    });
  });
}

test("digits are a number where the store keeps both, unless they are called text", async () => {
  const { app, run } = await place(KINDS["sqlite"] as never);
  await signIn(app, "7");
  await signIn(app, 7);
  expect((await run("users", "7", "--json")).json).toMatchObject({ userId: 7, devices: [{}] });
  expect((await run("users", "7", "--text", "--json")).json).toMatchObject({ userId: "7", devices: [{}] });
  expect((await run("revoke", "--user", "7", "--yes")).stdout).toBe("Ended 1 device.\n");
  expect(await app.psession.devices("7")).toHaveLength(1);
});
