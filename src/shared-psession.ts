import { assertFunction, assertText } from "./checks/given.ts";
import type { SessionData } from "./data/typing.ts";
import type { PsessionOptions } from "./options/public.ts";
import { coreMaker, Psession } from "./psession.ts";
import { warnOnce } from "./telemetry/warnings.ts";

/** How long a request on replaced options may take before what they opened is closed. */
const PATIENCE_MS = 30_000;

const LONGEST_KEY = 100;

interface Shared {
  readonly psession: unknown;
  /** The text of each function that has given the options: how an edit differs from another evaluation. */
  readonly known: Set<string>;
}

/** By a registered symbol, which every copy of this package finds. */
const REGISTRY = Symbol.for("psession.shared");

/**
 * One instance per process and `key`, for modules that are evaluated several times: Next bundles a module for its proxy,
 * its pages and its actions, and development servers evaluate it again after each edit. The first call makes the
 * instance, the others get it. `options` is called at the first use, as with `createPsession`. `setUp` gets each
 * instance once: the place for `psession.on`, as a listener beside the call would be added at every evaluation.
 *
 * Except in production, a function whose text has changed replaces the options: the instance stays the same object,
 * drops its listeners, and begins anew at its next use. Requests under way go on; what the old options opened
 * is closed half a minute later.
 */
export function sharedPsession<Data extends object = SessionData>(
  key: string,
  options: () => PsessionOptions,
  setUp: (psession: Psession<Data>) => void = () => {},
): Psession<Data> {
  assertText("sharedPsession: key", key, LONGEST_KEY);
  assertFunction("sharedPsession: options", options);
  assertFunction("sharedPsession: setUp", setUp);
  const instances = registry();
  const found = instances.get(key) ?? [];
  const text = String(options);
  for (const { psession, known } of found) {
    if (!(psession instanceof Psession)) continue;
    if (known.has(text) || process.env["NODE_ENV"] === "production") return psession;
    known.add(text);
    psession.replaceOptions(coreMaker(options), PATIENCE_MS);
    setUp(psession);
    return psession;
  }
  // An instance of another copy has private parts that this one cannot reach.
  if (found.length > 0) warnOfCopies();
  const psession = new Psession<Data>(coreMaker(options));
  instances.set(key, [...found, { psession, known: new Set([text]) }]);
  setUp(psession);
  return psession;
}

function registry(): Map<string, readonly Shared[]> {
  const holder = globalThis as { [REGISTRY]?: Map<string, readonly Shared[]> };
  holder[REGISTRY] ??= new Map();
  return holder[REGISTRY];
}

const warnOfCopies = (): void =>
  warnOnce(
    "PSESSION_COPIES",
    "sharedPsession: this process has loaded psession twice, and each copy has an instance of its own. " +
      'Where a bundler copies it into its bundles, tell it not to; in Next: serverExternalPackages: ["psession"].',
  );
