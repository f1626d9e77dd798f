import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { FRAMEWORKS } from "./frameworks/index.ts";
import { type Choices, STORES } from "./stores.ts";

/** What the application imports, and what only its types need. */
export function packagesFor({ store, framework, typescript }: Omit<Choices, "userIds">): {
  readonly needed: string[];
  readonly forTypes: string[];
} {
  const of = FRAMEWORKS[framework];
  return {
    needed: ["psession", ...STORES[store].packages, ...(of?.packages ?? [])],
    forTypes: typescript ? ["typescript", "@types/node", ...STORES[store].types, ...(of?.types ?? [])] : [],
  };
}

/** Found as Node finds it: in this folder, or in one above. */
export function isInstalled(folder: string, name: string): boolean {
  if (existsSync(join(folder, "node_modules", name, "package.json"))) return true;
  const parent = dirname(folder);
  return parent !== folder && isInstalled(parent, name);
}
