import { join } from "node:path";
import { test } from "vitest";
import { folderForApp, ROOT, startApp, visitShop } from "./support/shop.ts";

/** One small application per framework; all do the same. */
const examples = ["express/app.js", "fastify/app.js"];

test.each(examples)("examples/%s runs as it stands", async (example) => {
  await visitShop(await startApp(join(ROOT, "examples", example), folderForApp()));
});
