import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A .js file is an ES module where the nearest package.json says so. */
export function isModuleFolder(folder: string): boolean {
  const file = join(folder, "package.json");
  if (existsSync(file)) {
    try {
      return (JSON.parse(readFileSync(file, "utf8")) as { type?: string }).type === "module";
    } catch {
      return false;
    }
  }
  const parent = dirname(folder);
  return parent !== folder && isModuleFolder(parent);
}
