import { expect, test } from "vitest";
import { memoryStore, type OwnAuditEntry } from "../../src/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { DAY } from "../support/clock.ts";

const audited = () => testApp({ store: memoryStore({ audit: true }), audit: { keep: "30d" } });

test("an entry of the application's own stands in its user's trail, with where it came from", async () => {
  const app = audited();
  const { psession } = app;
  await new TestBrowser(app).visit((session) => {
    psession.audit.add({ event: "login_failed", userId: "ada", session, detail: "wrong password" });
  });
  expect(await psession.auditTrail({ userId: "ada" })).toMatchObject([
    {
      event: "login_failed",
      userId: "ada",
      address: "192.0.2.7",
      handle: undefined,
      detail: "wrong password",
    },
  ]);
});

test("the session says whose it is, on which device, and who acts as its user", async () => {
  const app = audited();
  const { psession } = app;
  const admin = new TestBrowser(app);
  await admin.visit((session) => session.login("admin"));
  await admin.visit((session) => {
    psession.audit.add({ event: "export", session });
  });
  const own = (await psession.auditTrail({ userId: "admin" })).find(({ event }) => event === "export");
  const [device] = await psession.devices("admin");
  expect(own).toMatchObject({ event: "export", handle: device?.handle, detail: undefined });
  await admin.visit(async (session) => {
    await session.impersonate("ada", { reason: "ticket" });
    psession.audit.add({ event: "export", session, detail: "orders" });
  });
  const acted = (await psession.auditTrail({ userId: "ada" })).find(({ event }) => event === "export");
  expect(acted).toMatchObject({ detail: "by admin: orders" });
});

test("entries are in order with psession's own, and kept as long", async () => {
  const app = audited();
  const { psession, clock } = app;
  psession.audit.add({ event: "registered", userId: "ada" });
  clock.advance(1000);
  await new TestBrowser(app).visit((session) => session.login("ada"));
  clock.advance(1000);
  psession.audit.add({ event: "mail_changed", userId: "ada" });
  const events = async () => (await psession.auditTrail({ userId: "ada" })).map(({ event }) => event);
  expect(await events()).toEqual(["mail_changed", "login", "registered"]);
  clock.advance(31 * DAY);
  await psession.prune();
  expect(await events()).toEqual([]);
});

test.each([
  {},
  { event: "" },
  { event: "x".repeat(65) },
  { event: "a\nb" },
  { event: "login" },
  { event: "theft" },
  { event: 5 },
  { event: "x", userid: "ada" },
  { event: "x", handle: "short" },
  { event: "x", detail: "" },
  { event: "x", detail: "x".repeat(256) },
  { event: "x", address: 5 },
  { event: "x", session: {} },
  { event: "x", session: "session" },
])("%j is no entry", (entry) => {
  expect(() => audited().psession.audit.add(entry as unknown as OwnAuditEntry)).toThrow(
    expect.objectContaining({ code: "invalid_options" }),
  );
});

test("a user's id of the wrong kind is refused, and so is an entry where there is no trail", () => {
  const entry = { event: "x", userId: Number.NaN };
  expect(() => audited().psession.audit.add(entry)).toThrow(
    expect.objectContaining({ code: "invalid_user_id" }),
  );
  expect(() => testApp().psession.audit.add({ event: "x" })).toThrow(
    expect.objectContaining({ code: "no_audit_trail" }),
  );
});
