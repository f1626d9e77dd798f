import { join } from "node:path";
import { test } from "vitest";
import { folderForApp, ROOT, startApp, visitShop } from "./support/shop.ts";

/** One small application per framework; all do the same. */
const examples = ["express/app.js", "fetch/app.js", "h3/app.js", "hono/app.js", "react-router/app.js"];

/** Another run time than this one, as a list of program and arguments. */
const { PSESSION_EXAMPLES_ON: other } = process.env;
const runtime = other === undefined ? undefined : (JSON.parse(other) as string[]);

test.each(examples)("examples/%s runs as it stands", async (example) => {
  await visitShop(await startApp(join(ROOT, "examples", example), folderForApp(), runtime));
});
