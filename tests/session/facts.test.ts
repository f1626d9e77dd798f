import { expect, test } from "vitest";
import { factsOf } from "../../src/index.ts";

const facts = (headers: Record<string, string>, method = "GET") =>
  factsOf((name) => headers[name], { method, secure: true, address: undefined });

test.each([
  ["a page, as browsers ask for one", { "sec-fetch-dest": "document", "sec-fetch-mode": "navigate" }, false],
  ["fetch", { "sec-fetch-dest": "empty", "sec-fetch-mode": "cors" }, true],
  ["XMLHttpRequest of a library", { "x-requested-with": "XMLHttpRequest" }, true],
  ["an image", { "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors" }, false],
  ["a page of an old browser", { accept: "text/html,*/*" }, false],
])("%s is recognised by its headers", (_, headers, isScript) => {
  expect(facts(headers as Record<string, string>).script).toBe(isScript);
});

test("only a page at the top of a tab is a navigation", () => {
  const page = { "sec-fetch-dest": "document", "sec-fetch-mode": "navigate" };
  expect(facts(page).navigation).toBe(true);
  expect(facts({ ...page, "sec-fetch-dest": "iframe" }).navigation).toBe(false);
  expect(facts({ "sec-fetch-mode": "cors", accept: "text/html" }).navigation).toBe(false);
  expect(facts({ accept: "text/html" }).navigation).toBe(true);
  expect(facts({ accept: "text/html" }, "POST").navigation).toBe(false);
});
