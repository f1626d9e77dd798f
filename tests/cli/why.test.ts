import { expect, test } from "vitest";
import { HOUR } from "../support/clock.ts";
import { describeWith } from "../support/servers/reach.ts";
import { KINDS, place, SQLITE, signIn } from "./places.ts";

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `why: ${name}`, () => {
    test("says of all of a user's devices, or of one, what became of them", async () => {
      const { app, run } = await place(kind, { audit: true });
      const gone = await signIn(app, "ada", { remember: true });
      app.clock.advance(HOUR);
      const here = await signIn(app, "ada");
      await app.psession.revoke(gone, "lost\u202e phone");
      await app.psession.flush();
      const { json, code } = await run("why", "--user", "ada", "--json");
      expect(code).toBe(0);
      expect(json.why).toMatchObject([
        { handle: here, code: "signed_in" },
        { handle: gone, code: "revoked", userId: "ada" },
      ]);
      const { stdout } = await run("why", `--handle=${gone}`);
      expect(stdout).toContain(
        `2030-01-01 01:00:00Z  revoked  device ${gone}, user "ada"\n  The application or an`,
      );
      expect(stdout).not.toContain("\u202e");
    });
  });
}

test("without an audit trail, it says what is missing", async () => {
  const { app, run } = await place(SQLITE);
  const gone = await signIn(app, "ada");
  await app.psession.revoke(gone);
  const { stdout } = await run("why", "--user", "ada");
  expect(stdout).toMatch(
    /^Nothing is known of a sign-in of user "ada"\.\nnote\n {2}The store keeps no audit trail/,
  );
  expect((await run("why", `--handle=${gone}`)).stdout).toMatch(/^- {2}unknown {2}device .*not recorded/);
});

test("what is asked for has to be clear", async () => {
  const { run } = await place(SQLITE);
  expect(await run("why")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--user, --handle and --session"),
  });
  expect(await run("why", "--handle=a", "--session=b")).toMatchObject({ code: 2 });
  expect(await run("why", "--user", "ada", "--limit", "0")).toMatchObject({ code: 2 });
});
