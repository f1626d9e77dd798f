import { closeSync, existsSync, openSync, readlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The owner alone reads and writes. SQLite gives its companions (`-wal`, `-shm`, `-journal`) the file's own mode. */
const PRIVATE = 0o600;

const MOST_LINKS = 40;

/**
 * Makes the file that SQLite is about to open, empty, where there is none: SQLite itself would let all users of the
 * machine read it. One that is there keeps its mode. Never opens a file that is there: closing it
 * again would drop the locks that this process holds on it.
 */
export function createPrivately(path: string): void {
  const file = fileOf(path);
  if (file === undefined || process.platform === "win32") return;
  try {
    closeSync(openSync(withoutLinks(file), "wx", PRIVATE));
  } catch {
    // It is there, or cannot be made: SQLite says what is wrong, if anything is.
  }
}

/** The file that SQLite would make for a path; undefined where it would make none, or with a mode that is given. */
function fileOf(path: string): string | undefined {
  if (path === ":memory:") return undefined;
  if (!path.startsWith("file:")) return path;
  const [, name = "", query] = /^file:(?:\/\/(?:localhost)?(?=\/))?([^?#]*)(?:\?([^#]*))?/.exec(path) ?? [];
  const options = new URLSearchParams(query);
  const mode = options.get("mode");
  if (name === "" || name === ":memory:" || options.has("modeof") || options.has("vfs")) return undefined;
  if (mode !== null && mode !== "rwc") return undefined;
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

/** Where a link leads that leads to nothing yet: SQLite makes the file there. */
function withoutLinks(file: string): string {
  let target = file;
  for (let links = 0; links < MOST_LINKS && !existsSync(target); links++) {
    try {
      target = resolve(dirname(target), readlinkSync(target));
    } catch {
      break;
    }
  }
  return target;
}
