import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { folderForApp, ROOT, startApp, visitShop } from "./support/shop.ts";

test("the example of the README runs as it stands", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const folder = folderForApp();
  const file = join(folder, "app.mjs");
  writeFileSync(file, example);
  await visitShop(await startApp(file, folder));
});
