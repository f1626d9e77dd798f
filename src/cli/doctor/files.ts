import { stat } from "node:fs/promises";
import { type Finding, note, warning } from "./finding.ts";

/** What SQLite keeps beside a file: there are recent rows in it, in the clear. */
const COMPANIONS = ["", "-wal", "-shm", "-journal"];

const OTHERS = 0o007;
const GROUP = 0o070;

/** A user of the machine who reads a database file reads sessions; one who writes it can sign in as any user. */
export async function fileFindings(
  files: readonly string[],
  platform: NodeJS.Platform = process.platform,
): Promise<Finding[]> {
  // Windows has no such modes.
  if (platform === "win32") return [];
  const paths = files.flatMap((file) => COMPANIONS.map((companion) => file + companion));
  const modes = await Promise.all(paths.map(async (path) => ({ path, mode: await modeOf(path) })));
  const open = modes.filter(({ mode }) => (mode & (OTHERS | GROUP)) !== 0);
  const isForAll = open.some(({ mode }) => (mode & OTHERS) !== 0);
  if (open.length === 0) return [];
  const shown = open.map(({ path, mode }) => `${path} (${mode.toString(8).padStart(4, "0")})`).join(", ");
  const severity = isForAll ? warning : note;
  return [
    severity(
      "file_mode",
      `${isForAll ? "Every user of this machine" : "A group of users"} may open ${shown}: they can read session data there, and with the right to write make a session of any user.`,
      // -f, as a companion may have gone by now.
      `chmod -f 600 ${open.map(({ path }) => quoted(path)).join(" ")}`,
    ),
  ];
}

async function modeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch {
    // It is not there, or not on this machine.
    return 0;
  }
}

/** To be pasted into a shell. */
const quoted = (path: string): string =>
  /^[\w./@%+:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
