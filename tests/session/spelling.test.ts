import { describe, expect, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { counted } from "../support/stores.ts";

async function signedInAs(...users: (string | number)[]) {
  const { store, calls } = counted(memoryStore({ audit: true }));
  const app = testApp({ store });
  const browsers: TestBrowser[] = [];
  for (const user of users) {
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login(user));
    browsers.push(browser);
  }
  await app.psession.flush();
  calls.length = 0;
  return { ...app, calls, browsers };
}

const wrong = (message: string) =>
  expect.objectContaining({ code: "invalid_user_id", message: expect.stringContaining(message) });

const OPERATIONS = ["revokeUser", "passwordChanged", "devices"] as const;

describe("a user id in the other spelling", () => {
  test.each(OPERATIONS)("%s", async (operation) => {
    const { psession, told } = await signedInAs(7, "8");
    await expect(psession[operation]("7")).rejects.toEqual(
      wrong("this text has none, and the number of the same digits has devices"),
    );
    await expect(psession[operation](8)).rejects.toEqual(
      wrong("this number has none, and the text of the same digits has devices"),
    );
    expect(told()).not.toContain("credentialChanged");
    expect(await psession.devices(7)).toHaveLength(1);
    expect(await psession.devices("8")).toHaveLength(1);
  });

  test("the audit trail", async () => {
    const { psession } = await signedInAs(7);
    await expect(psession.auditTrail({ userId: "7" })).rejects.toEqual(
      wrong("the number of the same digits has"),
    );
    expect(await psession.auditTrail({ userId: 7 })).toHaveLength(1);
    expect(await psession.auditTrail({ userId: "7", before: "0" })).toEqual([]);
    expect(await psession.auditTrail({ userId: 9 })).toEqual([]);
  });

  test("is looked up only where the given one has nothing, and where there is another one", async () => {
    const { psession, calls } = await signedInAs(7, "7", "ada");
    for (const user of [7, "7", "ada"]) {
      await psession.devices(user);
      await psession.revokeUser(user);
    }
    expect(calls).toEqual(["list", "apply", "list", "apply", "list", "apply"]);
    calls.length = 0;
    // Not how a number is written: these are texts and nothing else.
    for (const user of ["07", "7.0", "+7", " 7", "1e3", "-0", "", "9007199254740993", "ada"])
      if (user !== "") expect(await psession.revokeUser(user)).toBe(0);
    expect(calls).toEqual(Array(8).fill("apply"));
    calls.length = 0;
    expect(await psession.revokeUser("-7")).toBe(0);
    expect(calls).toEqual(["apply", "list"]);
  });

  test("a password change that keeps a session does not look for the other spelling", async () => {
    const { psession, calls, browsers } = await signedInAs("7");
    await browsers[0]?.visit(async (keep) => {
      calls.length = 0;
      expect(await psession.passwordChanged("7", { keep })).toBe(0);
      expect(calls).toEqual(["apply"]);
    });
  });

  test("stores of one kind are not asked: there the wrong kind is refused anyway", async () => {
    const { store, calls } = counted(memoryStore());
    const texts = new Proxy(store, {
      get: (of, name) => (name === "userIds" ? "text" : Reflect.get(of, name)),
    });
    const { psession } = testApp({ store: texts });
    expect(await psession.revokeUser("7")).toBe(0);
    expect(calls).toEqual(["apply"]);
    await expect(psession.revokeUser(7)).rejects.toEqual(wrong("text of 1 to"));
  });
});
