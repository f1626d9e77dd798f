import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from "node:fs";
import { reasonOf } from "../errors.ts";
import { EXIT, Stop } from "./exit.ts";

/**
 * Changes a list of secrets, commas between them, in a file of environment variables. Nothing else in the file
 * changes, and no other process sees half of it.
 */
export function changeKeyList(
  given: string,
  variable: string,
  change: (keys: readonly string[]) => readonly string[],
): number {
  let file: string;
  let text: string;
  try {
    file = realpathSync(given);
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Stop(EXIT.failed, `${given} cannot be read: ${reasonOf(error)}`, { cause: error });
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
      `${given} has ${count} of the form ${variable}=key,older-key. Change it by hand.`,
    );
  }
  const keys = change(value.split(",").filter((key) => key !== ""));
  const changed = text.replace(line, () => `${before}${quote}${keys.join(",")}${quote}`);
  const next = `${file}.psession-${process.pid}`;
  writeFileSync(next, changed, { mode: statSync(file).mode & 0o777, flag: "wx" });
  renameSync(next, file);
  return keys.length;
}
