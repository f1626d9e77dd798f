import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isIgnored } from "../git.ts";
import { newKey } from "../new-key.ts";
import { INSECURE_HTTP, KEYS } from "./config.ts";
import { STORES, type StoreName } from "./stores.ts";

/** An environment variable that the application needs. */
export interface Variable {
  readonly name: string;
  /** What it is for, as a comment in the file. */
  readonly comment: string;
  readonly value: () => string;
  /** What to give it where it is set by hand. */
  readonly advice: string;
  /** The value only shows the form. */
  readonly isToBeFilledIn: boolean;
}

export function variablesFor(store: StoreName): Variable[] {
  const { address } = STORES[store];
  return [
    {
      name: KEYS,
      comment: "Anyone with these keys can sign in as any user. Commas between them, the first signs.",
      value: newKey,
      advice: "keys with commas between them: npx psession keys generate",
      isToBeFilledIn: false,
    },
    {
      name: INSECURE_HTTP,
      comment: "Cookies over plain http, for http://localhost only. Leave it out where users are.",
      value: () => "1",
      advice: "1, for http://localhost only",
      isToBeFilledIn: false,
    },
    ...(address === undefined
      ? []
      : [
          {
            ...address,
            comment: "Where sessions are kept.",
            value: () => address.value,
            advice: `such as ${address.value}`,
          },
        ]),
  ];
}

/** Those that the file does not set. */
export function missingFrom(file: string, variables: readonly Variable[]): Variable[] {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return variables.filter(
    ({ name }) => !new RegExp(`^[ \\t]*(export[ \\t]+)?${name}[ \\t]*=`, "m").test(text),
  );
}

/** Variables that are there stay as they are: other keys would sign all users out. */
export function addVariables(file: string, variables: readonly Variable[]): void {
  const lines = variables.map(({ name, comment, value }) => `# ${comment}\n${name}=${value()}\n`).join("");
  if (existsSync(file)) appendFileSync(file, atNewLine(readFileSync(file, "utf8"), lines));
  // With the umask of most systems, every user of the machine could read it.
  else writeFileSync(file, lines, { mode: 0o600, flag: "wx" });
}

/** Adds to .gitignore what git does not leave out already; gives the lines that were added. */
export async function keepOutOfGit(
  folder: string,
  files: readonly { readonly name: string; readonly pattern: string }[],
): Promise<string[]> {
  const list = join(folder, ".gitignore");
  const text = existsSync(list) ? readFileSync(list, "utf8") : "";
  const listed = new Set(text.split(/\r?\n/).map((line) => line.trim().replace(/^\//, "")));
  const added: string[] = [];
  for (const { name, pattern } of files) {
    // Where there is no repository yet, there may be one tomorrow.
    const isOut = (await isIgnored(join(folder, name))) ?? (listed.has(name) || listed.has(pattern));
    if (!isOut) added.push(pattern);
  }
  if (added.length > 0) appendFileSync(list, atNewLine(text, added.map((line) => `${line}\n`).join("")));
  return added;
}

const atNewLine = (text: string, added: string): string =>
  text === "" || text.endsWith("\n") ? added : `\n${added}`;
