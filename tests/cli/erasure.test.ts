import { expect, test } from "vitest";
import { describeWith } from "../support/servers/reach.ts";
import { KINDS, place, signIn } from "./places.ts";

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `a user's data: ${name}`, () => {
    test("is printed as JSON, and deleted with consent", async () => {
      const { app, run, store } = await place(kind, { audit: true });
      await signIn(app, "ada", { remember: true });
      await signIn(app, "bob");
      await app.psession.flush();
      const exported = await run("export-user", "ada");
      expect(exported).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(exported.stdout)).toMatchObject({
        version: 1,
        userId: "ada",
        sessions: [{ level: "login" }],
        rememberedLogins: [{}],
        audit: [{ event: "login" }],
      });
      const unasked = await run("erase-user", "ada");
      expect(unasked).toMatchObject({ code: 2, stdout: "" });
      expect(unasked.stderr).toContain(
        'Delete all about user "ada", for good: 1 session, 1 remembered login, and the audit entries? There is no terminal',
      );
      expect(await run("erase-user", "ada", "--yes")).toMatchObject({
        code: 0,
        stdout: "Deleted 1 session and 1 remembered login; 1 audit entry deleted.\n",
      });
      expect(await store.rowsOf("ada")).toEqual({ sessions: [], logins: [] });
      expect(await store.audit?.read({ userId: "ada", limit: 9 })).toEqual([]);
      const again = await run("erase-user", "ada", "--yes", "--json");
      expect(again.json).toEqual({ sessions: 0, logins: 0, audit: 0 });
      expect(await app.psession.devices("bob")).toHaveLength(1);
    });

    test("stays in the trail under a pseudonym, if that is wanted", async () => {
      const { app, run, store } = await place(kind, { audit: true });
      await signIn(app, "ada");
      await app.psession.flush();
      expect(await run("erase-user", "ada", "--audit", "pseudonym", "--yes")).toMatchObject({
        code: 0,
        stdout: "Deleted 1 session and 0 remembered logins; 1 audit entry made pseudonymous.\n",
      });
      const entries = await store.audit?.read({ limit: 9 });
      // The command has another clock than the application of this test.
      expect(entries?.map(({ event, userId }) => `${event} of ${userId}`).sort()).toEqual([
        "login of undefined",
        "userErased of undefined",
      ]);
      expect(await run("erase-user", "ada", "--audit", "keep", "--yes")).toMatchObject({ code: 2 });
      expect(await run("erase-user", "--yes")).toMatchObject({ code: 2 });
    });
  });
}
