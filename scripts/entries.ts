import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | { readonly import: string; readonly require: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** What can be imported by a name of its own. */
export interface Entry {
  /** As it is imported: "psession/express". */
  readonly specifier: string;
  /** Of its files in dist: "express". */
  readonly name: string;
  /** What it is made of: "src/integrations/express/index.ts". */
  readonly source: string;
}

const read = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));

export const readManifest = (root: string): Manifest => read(join(root, "package.json")) as Manifest;

/** The manifest says which there are; `paths` of tsconfig.json says where they are in src. */
export function readEntries(root: string): Entry[] {
  const { name: packageName, exports } = readManifest(root);
  const { compilerOptions } = read(join(root, "tsconfig.json")) as {
    compilerOptions: { paths: Record<string, [string]> };
  };
  return Object.entries(exports).flatMap(([path, target]) => {
    if (typeof target === "string") return [];
    const specifier = join(packageName, path);
    const source = compilerOptions.paths[specifier]?.[0];
    if (source === undefined) throw new Error(`tsconfig.json: paths lacks ${specifier}`);
    return [{ specifier, name: path === "." ? "index" : path.slice(2), source: join(source) }];
  });
}
