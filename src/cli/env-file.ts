import {
  chmodSync,
  chownSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { reasonOf } from "../errors.ts";
import { EXIT, Stop } from "./exit.ts";

/**
 * Changes a list of secrets, commas between them, in a file of environment variables. Nothing else in the file
 * changes, neither its owner nor its mode, and no other process sees half of it.
 */
export function changeKeyList(
  path: string,
  variable: string,
  change: (keys: readonly string[]) => readonly string[],
): { readonly keys: number; readonly changed: boolean } {
  let file: string;
  let text: string;
  try {
    file = realpathSync(path);
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Stop(EXIT.failed, `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const line = new RegExp(
    `^([ \\t]*(?:export[ \\t]+)?${variable}[ \\t]*=[ \\t]*)(["'\`]?)([^"'\`\\s]*)\\2[ \\t]*$`,
    "gm",
  );
  const found = [...text.matchAll(line)];
  const [, before = "", quote = "", value = ""] = found[0] ?? [];
  if (found.length !== 1) {
    const count = found.length === 0 ? "no line" : "more than one line";
    throw new Stop(
      EXIT.failed,
      `${path} has ${count} of the form ${variable}=key,older-key. Change it by hand.`,
    );
  }
  const given = value.split(",").filter((key) => key !== "");
  const keys = change(given);
  const changed = keys.join() !== given.join();
  if (changed)
    replace(
      file,
      text.replace(line, () => `${before}${quote}${keys.join(",")}${quote}`),
    );
  return { keys: keys.length, changed };
}

function replace(file: string, text: string): void {
  const { uid, gid, mode } = statSync(file);
  const next = `${file}.psession-${process.pid}`;
  try {
    // Private until it has its old owner again: with the old mode, a wrong group might read it.
    writeFileSync(next, text, { mode: 0o600, flag: "wx" });
    const made = statSync(next);
    if (made.uid !== uid || made.gid !== gid) chownSync(next, uid, gid);
    chmodSync(next, mode & 0o7777);
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw new Stop(
      EXIT.failed,
      `${file} could not be replaced as it is, with its owner and mode, and was left alone: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}
