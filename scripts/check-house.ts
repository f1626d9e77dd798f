/**
 * The rooms of src, from the lowest to the highest: what is in one imports from its own room and from those above it in
 * this list, types included, and no files import each other in a circle.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const SRC = resolve(import.meta.dirname, "../src");

const ROOMS = [
  "node-version.ts",
  "errors.ts",
  // Pure: decisions about sessions and logins, their rows, times and secrets.
  "protocol",
  // What applications give is looked at here, whatever it is for.
  "checks",
  // What goes by on diagnostics channels, and warnings of the process.
  "telemetry",
  // What a session holds: codecs, merging, messages, encryption.
  "data",
  "stores",
  "events.ts",
  // No framework, and no input or output: cookies, origins, what caches are told.
  "http",
  // What createPsession takes, checked.
  "options",
  // Locks, pruning, clocks.
  "upkeep",
  // One request, from open to commit.
  "request",
  // Around a user: devices, audit trail, notices.
  "account",
  "session.ts",
  "psession.ts",
  // Failed sign-ins, counted by rate-limiter-flexible.
  "attempts",
  "shared-psession.ts",
  // What integrations are made of.
  "integration",
  "telemetry/opentelemetry",
  // One folder for each framework; nothing imports them.
  "integrations",
  "index.ts",
  // What runs in browsers; of the rest nothing imports it, and it imports nothing of the rest.
  "client",
  // The contracts, and what tests of applications use.
  "testing",
  "cli",
];

const FROM = /(?:\bfrom|\bimport\()\s*"(\.[^"]+)"/g;

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const imports = new Map(
  files.map((file) => [
    file,
    Array.from(readFileSync(join(SRC, file), "utf8").matchAll(FROM), ([, to = ""]) =>
      join(dirname(file), to),
    ),
  ]),
);
const faults: string[] = [];
for (const [file, targets] of imports) {
  const room = roomOf(file);
  if (room === -1) faults.push(`${file} is in no room`);
  for (const target of targets) {
    if (roomOf(target) > room) faults.push(`${file} imports upward: ${target}`);
    const [framework, other] = [frameworkOf(file), frameworkOf(target)];
    if (framework !== undefined && other !== undefined && framework !== other)
      faults.push(`${file} imports another framework: ${target}`);
  }
}
for (const circle of circles()) faults.push(`a circle: ${circle.join(", ")}`);
if (faults.length > 0) {
  console.error(faults.map((fault) => `- ${fault}`).join("\n"));
  process.exit(1);
}
console.log(
  `${files.length} files of src are in ${ROOMS.length} rooms, without a circle, and none imports upward.`,
);

/** The narrowest that it is in. */
function roomOf(file: string): number {
  const all = ROOMS.filter((room) => file === room || file.startsWith(`${room}/`));
  return ROOMS.indexOf(all.sort((a, b) => b.length - a.length)[0] ?? "");
}

function frameworkOf(file: string): string | undefined {
  return /^integrations\/([^/]+)\//.exec(file)?.[1];
}

/** Tarjan's algorithm: files that reach each other. */
function circles(): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): void => {
    const own = index.size;
    index.set(file, own);
    low.set(file, own);
    stack.push(file);
    for (const target of imports.get(file) ?? []) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(file, Math.min(low.get(file) ?? own, low.get(target) ?? own));
    }
    if (low.get(file) !== own) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle);
  };
  for (const file of files) if (!index.has(file)) visit(file);
  return found;
}
