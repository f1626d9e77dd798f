import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folderForApp, ROOT } from "./shop.ts";

/** As `npm init -y` writes it. */
const COMMONJS = { name: "shop", version: "1.0.0", main: "index.js", type: "commonjs" };

/** A new project in which psession is installed, and whatever the repository has. */
export function newProject(manifest: object = COMMONJS): string {
  const folder = folderForApp();
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/psession"), "junction");
  return folder;
}
