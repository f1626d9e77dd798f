import { expect, test } from "vitest";
import { isSameOrigin } from "../../src/index.ts";

const post = (headers: Record<string, string>, method = "POST", allowed?: string[]) =>
  isSameOrigin(
    { method, header: (name) => headers[name], origin: "https://app.example" },
    allowed === undefined ? {} : { allowed },
  );

test("Sec-Fetch-Site decides where the browser sends it", () => {
  expect(post({ "sec-fetch-site": "same-origin" })).toBe(true);
  expect(post({ "sec-fetch-site": "none" })).toBe(true);
  expect(post({ "sec-fetch-site": "same-site" })).toBe(false);
  expect(post({ "sec-fetch-site": "cross-site" })).toBe(false);
  expect(post({ "sec-fetch-site": "cross-site", origin: "https://app.example" })).toBe(false);
});

test("Origin decides otherwise, compared exactly", () => {
  expect(post({ origin: "https://app.example" })).toBe(true);
  for (const origin of [
    "http://app.example",
    "https://app.example:444",
    "https://evil.example",
    "null",
    "",
  ]) {
    expect(post({ origin }), origin).toBe(false);
  }
});

test("a request without either comes from no browser", () => {
  expect(post({})).toBe(true);
});

test("what changes nothing is let through, and whom the application allows", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"])
    expect(post({ "sec-fetch-site": "cross-site" }, method)).toBe(true);
  const headers = { "sec-fetch-site": "cross-site", origin: "https://admin.example" };
  expect(post(headers, "POST", ["https://admin.example"])).toBe(true);
  expect(post(headers, "DELETE", ["https://other.example"])).toBe(false);
});
