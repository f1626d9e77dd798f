import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Folder {
  /** Path of the SQLite file. */
  readonly database: string;
  /** The secret that signs cookies. */
  readonly key: string;
}

const KEY_BYTES = 32;

/** Makes the folder and the key where they are missing; only their owner may read them. */
export function openFolder(dir: string): Folder {
  try {
    makeFolder(dir);
    return { database: join(dir, "demo.sqlite"), key: openKey(join(dir, "key")) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The folder ${dir} cannot be used: ${reason}`, { cause: error });
  }
}

function openKey(path: string): string {
  try {
    // "wx" never overwrites: another key would sign everybody out.
    writeFileSync(path, randomBytes(KEY_BYTES).toString("base64url"), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  const key = readFileSync(path, "utf8").trim();
  if (Buffer.from(key, "base64url").length >= KEY_BYTES) return key;
  throw new Error(`${path} holds no key. Delete it to get a new one.`);
}

/** Node's own `recursive` never returns where a file system takes no folders, such as /proc. */
function makeFolder(dir: string, isParentMade = false): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || isParentMade || dirname(dir) === dir) throw error;
    makeFolder(dirname(dir));
    makeFolder(dir, true);
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
