import { readFile, stat } from "node:fs/promises";
import { basename, dirname, relative } from "node:path";
import { listOfSecrets } from "../../options/secrets.ts";
import { bytesOf, copyOf } from "../../protocol/bytes.ts";
import type { Config } from "../config.ts";
import { trackedFiles } from "../git.ts";
import { error, type Finding, note, warning } from "./finding.ts";

type Key = string | Uint8Array;

const SHORTEST = 32;
/** Shorter ones would be found by accident, and have a finding of their own. */
const SHORTEST_SOUGHT = 12;
const LARGEST_FILE = 32 * 1024 * 1024;
const PHRASES = /secret|change.?me|password|example|default|keyboard.?cat|your.?key|123456/i;
const GENERATE = "Make one with `psession keys generate`, and keep it where only the application reads it.";

export async function keyFindings({ file, options }: Config): Promise<Finding[]> {
  if (options === undefined) {
    return [
      note(
        "keys_not_seen",
        "The configuration exports a service, which does not give its keys away: they were not looked at.",
        "Export the options instead, and make the service in the application.",
      ),
    ];
  }
  const { keys, encryption } = options as { keys?: unknown; encryption?: { keys?: unknown } };
  const lists: [string, unknown][] = [["keys", keys]];
  if (encryption !== undefined) lists.push(["encryption.keys", encryption?.keys]);
  const findings = lists.flatMap(([option, list]) => listFindings(option, list));
  const sought = lists.flatMap(([option, list]) =>
    listed(list).flatMap((key, at) =>
      isKey(key) && Buffer.byteLength(key) >= SHORTEST_SOUGHT ? [{ name: `${option}[${at}]`, key }] : [],
    ),
  );
  return [...findings, ...(await gitFindings(dirname(file), sought))];
}

/** Every key of an option, whatever else was given. */
export function listed(given: unknown): readonly unknown[] {
  const list = listOfSecrets(given);
  return Array.isArray(list) ? list : [];
}

function listFindings(option: string, given: unknown): Finding[] {
  const list = listOfSecrets(given);
  const missing = (which: string) =>
    error("keys_missing", `${which} is missing: the application does not start.`, GENERATE);
  const unset = "(is the environment variable set? --env reads a file of them)";
  if (list === undefined) return [missing(`The option ${option} ${unset}`)];
  if (!Array.isArray(list) || list.length === 0) return [missing(`The option ${option}`)];
  return list.flatMap((key: unknown, at) => {
    const which = `${option}[${at}]`;
    if (key === undefined || key === null || key === "") {
      return [missing(`${which} ${unset}`)];
    }
    if (!isKey(key)) return [missing(`${which} is neither text nor bytes, so a key`)];
    const bytes = Buffer.byteLength(key);
    if (bytes < SHORTEST) {
      return [
        error(
          "keys_short",
          `${which} has ${bytes} bytes of at least ${SHORTEST}: cookies that it signs can be forged, and the application does not start.`,
          GENERATE,
        ),
      ];
    }
    const isRegular = new Set<string | number>(key).size < 8;
    if (!isRegular && !(typeof key === "string" && PHRASES.test(key))) return [];
    return [
      error(
        "keys_guessable",
        `${which} looks made up rather than random: anyone who guesses it can forge any user's cookies.`,
        GENERATE,
      ),
    ];
  });
}

export const isKey = (value: unknown): value is Key =>
  typeof value === "string" || value instanceof Uint8Array;

async function gitFindings(
  folder: string,
  sought: readonly { readonly name: string; readonly key: Key }[],
): Promise<Finding[]> {
  const files = (await trackedFiles(folder)) ?? [];
  const findings: Finding[] = [];
  const shown = (file: string) => relative(folder, file);
  for (const file of files.filter((name) => IS_ENV.test(basename(name)))) {
    findings.push(
      warning(
        "env_in_git",
        `${shown(file)} is tracked by git: whatever secret is in it is in every clone and in the history.`,
        `git rm --cached ${shown(file)}, add it to .gitignore, and exchange the secrets that were in it.`,
      ),
    );
  }
  const found = await filesWith(sought, files);
  for (const { name } of sought) {
    const places = found.get(name);
    if (places === undefined) continue;
    findings.push(
      error(
        "keys_in_git",
        `${name} stands in ${places.map(shown).join(", ")}, tracked by git: anyone with a copy of the repository can sign in as any user.`,
        "Exchange it (`psession keys rotate`) and drop it at once; taking it out of the file leaves it in the history.",
      ),
    );
  }
  return findings;
}

/** Samples are there to be committed. */
const IS_ENV = /^\.env(\.(?!(example|sample|template|dist|defaults)$)[\w.-]+)?$/;

/** Looked for in this process: as an argument of `git grep` a key would be in every list of processes. */
async function filesWith(
  sought: readonly { readonly name: string; readonly key: Key }[],
  files: readonly string[],
): Promise<Map<string, string[]>> {
  const needles = sought.flatMap(({ name, key }) => spellings(key).map((needle) => ({ name, needle })));
  const found = new Map<string, string[]>();
  if (needles.length === 0) return found;
  for (const file of files) {
    const content = await contentOf(file);
    if (content === undefined) continue;
    for (const name of new Set(
      needles.filter(({ needle }) => content.includes(needle)).map((one) => one.name),
    )) {
      found.set(name, [...(found.get(name) ?? []), file]);
    }
  }
  return found;
}

function spellings(key: Key): Buffer[] {
  if (typeof key === "string") return [bytesOf(key)];
  const bytes = copyOf(key);
  const texts = (["hex", "base64", "base64url"] as const).map((encoding) => bytes.toString(encoding));
  return [bytes, ...[...texts, texts[0]?.toUpperCase() ?? ""].map((text) => bytesOf(text, "latin1"))];
}

async function contentOf(file: string): Promise<Buffer | undefined> {
  try {
    const facts = await stat(file);
    return facts.isFile() && facts.size <= LARGEST_FILE ? await readFile(file) : undefined;
  } catch {
    // Deleted here, and tracked still.
    return undefined;
  }
}
