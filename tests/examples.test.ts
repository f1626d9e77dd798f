import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "vitest";
import { folderForApp, ROOT, startApp, visitShop } from "./support/shop.ts";

/** One small application per framework; all do the same. */
const examples = [
  "express/app.js",
  "express-session/app.js",
  "fastify/app.js",
  "fetch/app.js",
  "h3/app.js",
  "hono/app.js",
  "koa/app.js",
  "node/app.js",
  "react-router/app.js",
];

/** Another run time than this one, as a list of program and arguments. */
const { PSESSION_EXAMPLES_ON: other } = process.env;
const runtime = other === undefined ? undefined : (JSON.parse(other) as string[]);

test.each(examples)("examples/%s runs as it stands", async (example) => {
  await visitShop(await startApp(join(ROOT, "examples", example), folderForApp(), runtime));
});

/** With decorators of TypeScript, which Node does not run, so they are compiled as their first lines say. */
test.each(["nestjs/express", "nestjs/fastify"])("examples/%s.ts compiles and runs", async (example) => {
  const folder = folderForApp();
  const [project = "", entry] = example.split("/");
  const compiler = join(ROOT, "node_modules/.bin/tsc");
  execFileSync(compiler, ["-p", join(ROOT, "examples", project), "--outDir", folder], { stdio: "inherit" });
  await visitShop(await startApp(join(folder, `${entry}.js`), folder));
});
