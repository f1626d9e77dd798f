import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HttpClient } from "./support/http.ts";
import { folderForApp, ROOT, startApp, visitShop } from "./support/shop.ts";

/** The first block of code on a page, run as it stands. */
async function startExample(page: string): Promise<HttpClient> {
  const example = /```js\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, page), "utf8"))?.[1] ?? "";
  const folder = folderForApp();
  const file = join(folder, "app.mjs");
  writeFileSync(file, example);
  return startApp(file, folder);
}

test("the example of the README runs as it stands", async () => {
  await visitShop(await startExample("README.md"));
});

test("the cart of docs/carry.md comes along, and nobody gets another user's", async () => {
  const laptop = await startExample("docs/carry.md");
  const phone = new HttpClient(laptop.base);
  const login = async (client: HttpClient, name: string) => {
    const credentials = { email: `${name}@example.com`, password: "only for trying it out" };
    expect((await client.post("/login", credentials)).status).toBe(303);
    return (await client.get("/cart")).json;
  };
  await laptop.post("/cart", { item: "tea" });
  expect(await login(laptop, "ada")).toEqual(["tea"]);
  for (const item of ["milk", "tea"]) await phone.post("/cart", { item });
  expect(await login(phone, "ada")).toEqual(["milk", "tea"]);
  await laptop.post("/cart", { item: "bread" });
  const tablet = new HttpClient(laptop.base);
  await tablet.post("/cart", { item: "jam" });
  expect(await login(tablet, "ada")).toEqual(["tea", "bread", "jam"]);
  expect(await login(tablet, "bob")).toEqual([]);
  expect((await laptop.get("/cart")).json).toEqual(["tea", "bread"]);
});
