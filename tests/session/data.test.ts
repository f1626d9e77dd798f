import { expect, test } from "vitest";
import { TestBrowser, testApp } from "../support/app.ts";

const setUp = async (data: object) => {
  const browser = new TestBrowser(testApp());
  await browser.visit((session) => session.set(data));
  return browser;
};

test("one value is got by key or path, and all of them are the data", async () => {
  const browser = await setUp({ name: "Ada", cart: ["tea", "milk"], address: { city: "Bern" } });
  const { result, session } = await browser.visit((session) => [
    session.get("name"),
    session.get("cart.1"),
    session.get("address.city"),
    session.get("address.street"),
    session.get("missing"),
  ]);
  expect(result).toEqual(["Ada", "milk", "Bern", undefined, undefined]);
  expect(session.data).toEqual({ name: "Ada", cart: ["tea", "milk"], address: { city: "Bern" } });
});

test("one or many are set, by key or path", async () => {
  const browser = await setUp({ name: "Ada", count: 1 });
  await browser.visit((session) => {
    session.set("name", "Bob");
    session.set("address.city", "Bern");
    session.set({ count: 2, "address.street": "Kramgasse" });
  });
  const { session } = await browser.visit();
  expect(session.data).toEqual({ name: "Bob", count: 2, address: { city: "Bern", street: "Kramgasse" } });
});

test("has tells what is there, whatever its value", async () => {
  const browser = await setUp({ name: "", count: 0, address: { city: null } });
  const { result } = await browser.visit((session) =>
    ["name", "count", "address.city", "address.street", "missing", "toString"].map((path) =>
      session.has(path),
    ),
  );
  expect(result).toEqual([true, true, true, false, false, false]);
});

test("push adds to the end of a list, makes it where it is missing, and refuses anything else", async () => {
  const browser = await setUp({ cart: ["tea"], name: "Ada" });
  await browser.visit((session) => {
    session.push("cart", "milk", "bread");
    session.push("seen.pages", "/");
    expect(() => session.push("name", "x")).toThrow(expect.objectContaining({ code: "invalid_data" }));
  });
  const { session } = await browser.visit();
  expect(session.data).toEqual({
    cart: ["tea", "milk", "bread"],
    seen: { pages: ["/"] },
    name: "Ada",
  });
});

test("one or many are removed, by key or path, and what is not there is left alone", async () => {
  const browser = await setUp({ name: "Ada", count: 1, address: { city: "Bern", street: "Kramgasse" } });
  await browser.visit((session) => session.remove("name", "address.street", "missing", "no.such"));
  await browser.visit((session) => session.remove("count"));
  expect((await browser.visit()).session.data).toEqual({ address: { city: "Bern" } });
});
